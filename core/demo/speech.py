"""What is said in the demo's calls: short conversations composed from parts, so that no two need be alike."""

from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeAlias

Role: TypeAlias = Literal["user", "assistant"]
BUSINESS: Final = "Larkspur Services"
AGENT: Final = "Ava"


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Service:
    """Something that the demo's business offers, and how people talk about it.

    ``wishes`` complete "I'd like …"; ``questions`` are pairs of what the agent asks and what people answer.
    """

    name: str
    wishes: tuple[str, ...]
    questions: tuple[tuple[str, tuple[str, ...]], ...]
    prices: tuple[str, ...]
    doubts: tuple[str, ...]


SERVICES: Final = (
    Service(
        "solar panels",
        ("a quote for solar panels", "to know whether panels would pay off on our roof", "to add panels to the garage"),
        (
            (
                "Which way does the roof face?",
                (
                    "South, more or less.",
                    "One half faces east, the other west.",
                    "South-west, and there is a big oak on one side.",
                ),
            ),
            (
                "Roughly what is your monthly electricity bill?",
                ("About {price}.", "Too much. {price} last month.", "I'd have to look, somewhere near {price}."),
            ),
            (
                "Do you own the house?",
                ("Yes, since {year}.", "We do, no mortgage.", "My parents do, I look after it for them."),
            ),
        ),
        (
            "A system for a house like that usually comes to between nine and fourteen thousand before the tax credit.",
            "Most homes that size take twelve panels.",
        ),
        ("That's more than I expected.", "How long until it pays for itself?", "Can it be paid in instalments?"),
    ),
    Service(
        "heat pump",
        (
            "to replace the old furnace with a heat pump",
            "somebody to look at our heat pump",
            "an estimate for a heat pump",
        ),
        (
            (
                "How do you heat at the moment?",
                (
                    "With gas, the boiler is from {year}.",
                    "Oil, and I'm tired of it.",
                    "Electric radiators in every room.",
                ),
            ),
            (
                "How large is the house?",
                ("About {number} square metres.", "Three bedrooms, two floors.", "It's a bungalow, not big."),
            ),
            (
                "Is there space outside for the unit?",
                ("Behind the garage, I think.", "There's a small yard.", "Only on the balcony."),
            ),
        ),
        (
            "With the grant you would pay a little under eight thousand.",
            "The survey is free and takes about forty minutes.",
        ),
        (
            "Is it loud?",
            "My neighbour says it doesn't work below freezing.",
            "And the grant, do you handle the papers?",
        ),
    ),
    Service(
        "roof repair",
        ("someone to look at a leak in the roof", "a few tiles replaced", "a new roof for the extension"),
        (
            (
                "Where does the water come in?",
                (
                    "Over the stairs, next to the chimney.",
                    "In the back bedroom, only when the wind comes from the west.",
                    "I can't tell, there's just a stain.",
                ),
            ),
            (
                "What is the roof made of?",
                ("Clay tiles.", "Slate, it's an old house.", "Asphalt shingles, about {number} of them are gone."),
            ),
            (
                "Has anyone been up there since the storm?",
                ("No, it's too steep for me.", "A friend put a tarp over it.", "Not since {year}."),
            ),
        ),
        (
            "The visit is {price} and it comes off the bill if you go ahead.",
            "For something that size we would need half a day.",
        ),
        ("Can you come before the weekend?", "Does insurance pay for that?", "I'd like to see it in writing first."),
    ),
    Service(
        "boiler service",
        (
            "the yearly service for our boiler",
            "somebody to check why there is no hot water",
            "to move my boiler appointment",
        ),
        (
            (
                "Do you see a code on the display?",
                ("It says F{number}.", "It blinks twice and stops.", "There's nothing on it at all."),
            ),
            (
                "When was it last serviced?",
                ("In {year}, I believe.", "Never since we moved in.", "Last winter, by one of your people."),
            ),
            (
                "Is anyone at home with small children?",
                ("Yes, a baby, that's why I'm in a hurry.", "No, it's only me.", "My mother, she's eighty."),
            ),
        ),
        ("The service is {price}, parts are extra.", "I can send an engineer with the usual spare parts."),
        ("Do I have to be there?", "That's quite a lot for one hour.", "Could he ring before he comes?"),
    ),
    Service(
        "office cleaning",
        (
            "an offer for cleaning our office",
            "to change the cleaning days",
            "to talk about the last invoice for cleaning",
        ),
        (
            (
                "How many desks are there?",
                ("About {number}.", "It's two floors, forty people on a good day.", "Only six, but there's a kitchen."),
            ),
            (
                "Which evenings suit you?",
                ("{day} and one more, any.", "Every evening after seven.", "Mornings would be better, before eight."),
            ),
            (
                "Is there an alarm that the crew must set?",
                (
                    "Yes, I'll send the instructions.",
                    "No, the building has a guard.",
                    "There is, and they forgot it once.",
                ),
            ),
        ),
        ("That would be {price} a month with windows twice a year.", "The first two weeks are a trial."),
        ("We pay less now.", "Do your people bring their own machines?", "I need to ask my partner."),
    ),
    Service(
        "window replacement",
        ("new windows for the front of the house", "a price for triple glazing", "one cracked window replaced"),
        (
            (
                "How many windows would it be?",
                ("Seven, and the door.", "Just the one in the kitchen.", "I counted {number}, with the attic."),
            ),
            (
                "Wood, aluminium or plastic frames?",
                ("Wood, it's a listed building.", "Whatever lasts longest.", "Plastic is fine."),
            ),
            (
                "Do you need the sizes measured?",
                (
                    "Yes please, I wouldn't trust myself.",
                    "I have them here somewhere.",
                    "The last company measured, I can send it.",
                ),
            ),
        ),
        ("Expect around {price} for each, fitted.", "Delivery is about five weeks at the moment."),
        ("Five weeks? It's getting cold.", "Could we do half now and half in spring?", "Is the old glass taken away?"),
    ),
    Service(
        "car charger",
        (
            "a charger for an electric car",
            "to have the charger moved to the other wall",
            "help, the charger trips the fuse",
        ),
        (
            (
                "How far is the parking space from the fuse box?",
                (
                    "Perhaps {number} metres.",
                    "It's right on the other side of the wall.",
                    "The fuse box is in the cellar, the car stands outside.",
                ),
            ),
            (
                "Which car is it for?",
                ("We haven't bought it yet.", "A small one, it's my wife's.", "Two cars, actually."),
            ),
            (
                "Do you rent or own?",
                ("We rent, the landlord agreed.", "Own.", "It's a shared garage with four neighbours."),
            ),
        ),
        ("With {number} metres of cable it comes to {price}.", "The electrician needs about three hours."),
        (
            "Could I charge at night only?",
            "The other firm said two hours.",
            "Do I have to register it with the network?",
        ),
    ),
    Service(
        "garden work",
        ("the hedge cut before winter", "an estimate for a new lawn", "a tree taken down safely"),
        (
            (
                "How tall is it?",
                ("Taller than the house.", "About {number} feet.", "As high as the power line, that's the trouble."),
            ),
            (
                "Can a small truck get to it?",
                (
                    "Through the side gate, yes.",
                    "No, everything goes through the house.",
                    "From the lane, if somebody moves the car.",
                ),
            ),
            (
                "Should we take the cuttings away?",
                ("Yes please.", "No, they can go on the heap.", "The wood can stay, the rest should go."),
            ),
        ),
        ("That is a day for two people, so {price}.", "We would come with the chipper, so count on some noise."),
        ("The neighbour wants to know the date.", "Is there a permit needed?", "And if it rains?"),
    ),
    Service(
        "moving",
        ("an offer for moving house", "to move an office of nine people", "to store furniture for two months"),
        (
            (
                "From where to where?",
                (
                    "From {street} to the other side of town.",
                    "Only two streets, but the fourth floor.",
                    "Out of state, about {number} miles.",
                ),
            ),
            (
                "When does it have to be done?",
                ("By the end of the month.", "On {day} if at all possible.", "We're flexible, but not at a weekend."),
            ),
            (
                "Is there anything heavy or delicate?",
                ("A piano.", "An aquarium, but we empty it.", "Just a lot of books."),
            ),
        ),
        (
            "I would plan {number} cubic metres and three people.",
            "An estimate at your place costs nothing; the move itself starts at {price}.",
        ),
        ("Do you bring the boxes?", "What happens if something breaks?", "I have a cheaper offer, to be honest."),
    ),
)

_STREETS: Final = (
    "Elm Street",
    "Harbour Lane",
    "Mill Road",
    "Queen Street",
    "Station Road",
    "Orchard Close",
    "Bay Street",
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_CLOSE_YES: Final = (
    (
        "I have {day} at {time} free. Shall I put you down?",
        ("Yes, that works.", "{day} is good, thank you.", "Can it be a little later? No, fine, {time} is all right."),
    ),
    (
        "Could a colleague come by on {day}, around {time}?",
        ("Perfect.", "Yes, please ring at the side door.", "That suits us."),
    ),
    (
        "I'll send the offer to {email}, is that right?",
        ("Correct.", "Yes, that's the one I read.", "Yes, and please put the details in."),
    ),
)
_CLOSE_NO: Final = (
    (
        "Would {day} at {time} suit you?",
        ("I'd rather think about it.", "Not now. Call me next month.", "No, let me talk to my husband first."),
    ),
    (
        "May I send you the offer in writing?",
        (
            "Not needed, we've decided on someone else.",
            "Please don't, I get too much post.",
            "You can, but I can't promise anything.",
        ),
    ),
)
_BYE: Final = (
    "Thank you, {given}. Have a good day.",
    "Good, it's all noted. Goodbye!",
    "Thanks for your time, {given}. Bye for now.",
    "You'll get a message with the details. Goodbye.",
)
_OUT_OPENERS: Final = (
    "Hello, this is {agent} from {business}. Am I speaking with {name}?",
    "Hi {given}, {agent} from {business} here. You asked us about {service}. Is this a good moment?",
    "Good {part}, {agent} of {business} calling about your enquiry on {service}. Is that {given}?",
)
_OUT_ANSWERS: Final = (
    "Speaking.",
    "Yes, this is {given}.",
    "Yes, hello. I have five minutes.",
    "Oh right, I filled in that form.",
)
_IN_OPENERS: Final = (
    "{business}, {agent} speaking. How can I help?",
    "Thank you for calling {business}. What can I do for you?",
    "Hello, you've reached {business}. What is it about?",
)
_IN_ANSWERS: Final = (
    "Hi, my name is {name}. I'd like {wish}.",
    "Hello, {name} here. Somebody from you tried to reach me about {service}.",
    "Good {part}. I'd like {wish}. My name is {name}.",
    "It's {given} {family}, I'm calling back about {service}.",
)
_VOICEMAIL: Final = (
    "Hello {given}, this is {agent} from {business} about {service}. Please call us back when you can.",
    "This is {agent} of {business}. I'm sorry to have missed you; I will try again on {day}.",
)
_WRONG: Final = (
    "You have the wrong number, there's no {given} here.",
    "No {given} at this number. Please take me off the list.",
)
_SPAM: Final = (
    "Congratulations, your company has been selected for a free search engine listing.",
    "This is an urgent notice about your business electricity contract.",
    "We are offering pre-approved loans to companies like yours this week only.",
)
_SILENT: Final = ("Hello?", "Hello, is anyone there?", "Sorry, I can hardly hear you.")


@dataclass(frozen=True, slots=True)
class Subject:
    """Who talks about what: the words that are filled into the parts."""

    given: str
    family: str
    email: str
    service: Service

    @property
    def enquiry(self) -> str:
        """What the lead wrote when it asked to be called."""
        return f"Would like {self.service.wishes[len(self.given) % len(self.service.wishes)]}"


def conversation(rng: Random, subject: Subject, *, inbound: bool) -> tuple[Turn, ...]:
    """A call that was talked through: greeting, a few questions, a price, an end."""
    service = subject.service
    opener, answer = (_IN_OPENERS, _IN_ANSWERS) if inbound else (_OUT_OPENERS, _OUT_ANSWERS)
    lines = [rng.choice(opener), rng.choice(answer)]
    for question, answers in rng.sample(service.questions, rng.randint(1, len(service.questions))):
        lines += [question, rng.choice(answers)]
    if rng.random() < 0.6:
        lines += [rng.choice(service.prices), rng.choice(service.doubts)]
    question, answers = rng.choice(_CLOSE_YES if rng.random() < 0.65 else _CLOSE_NO)
    lines += [question, rng.choice(answers), rng.choice(_BYE)]
    return _spoken(rng, lines, subject)


def voicemail(rng: Random, subject: Subject) -> tuple[Turn, ...]:
    """Nobody answered but a machine."""
    return _spoken(rng, [rng.choice(_VOICEMAIL)], subject)


def wrong_number(rng: Random, subject: Subject) -> tuple[Turn, ...]:
    """Somebody else answered."""
    return _spoken(rng, [_OUT_OPENERS[0], rng.choice(_WRONG), "I'm sorry for the trouble. Goodbye."], subject)


def sales_pitch(rng: Random, subject: Subject) -> tuple[Turn, ...]:
    """An inbound call that wants to sell something."""
    return _spoken(rng, [_IN_OPENERS[1], rng.choice(_SPAM), "No, thank you. Goodbye."], subject)


def hung_up(rng: Random, subject: Subject) -> tuple[Turn, ...]:
    """Somebody answered and was gone."""
    return _spoken(rng, [rng.choice(_OUT_OPENERS), rng.choice(_SILENT)], subject)


def _spoken(rng: Random, lines: list[str], subject: Subject) -> tuple[Turn, ...]:
    """The lines with their words filled in; the agent speaks first and the two take turns."""
    words = {
        "agent": AGENT,
        "business": BUSINESS,
        "given": subject.given,
        "family": subject.family,
        "name": f"{subject.given} {subject.family}",
        "email": subject.email,
        "service": subject.service.name,
        "wish": rng.choice(subject.service.wishes),
        "day": rng.choice(_DAYS),
        "street": rng.choice(_STREETS),
        "time": f"{rng.randint(8, 17)}:{rng.choice(('00', '15', '30', '45'))}",
        "part": rng.choice(("morning", "afternoon")),
        "price": f"{rng.randint(9, 96) * 10}",
        "number": str(rng.randint(11, 140)),
        "year": str(rng.randint(1994, 2023)),
    }
    roles: tuple[Role, Role] = ("assistant", "user")
    return tuple(Turn(roles[index % 2], line.format(**words)) for index, line in enumerate(lines))
