"""One call: finding it, its whole story, its candidates."""

from collections.abc import Mapping, Sequence

from core.linking import fields, live, lookup, matching, search, sentences, summary
from core.linking.live import LiveCall, LiveCalls
from core.linking.results import Matches, Story
from core.linking.search import Hits
from core.linking.service.desk import Desk
from core.model.records import Call, Candidate


class Calls(Desk):
    """Reading about single calls."""

    def lookup(self, text: str) -> Story | Matches:
        """The call that a text means: a SID in any writing, a log line, a console URL, a part of a SID, a phone number.

        :return: the call's story; or the matches, when the text may mean several calls.
        :raises BadInput: when the text is empty or too long to mean a call.
        :raises NotFound: when no call matches.
        """
        _, named = lookup.understood(text)
        if len(named) == 1 and (story := lookup.whole(self._gateway, named[0], self._settings, self._now())):
            return story
        calls, more = lookup.find(self._gateway, text, self._settings.default_region)
        if len(calls) == 1:
            return self.story(calls[0].call_sid)
        now = self._now()
        current = tuple(self._as_of(call, now) for call in calls)
        return Matches(text.strip(), current, more, sentences.about(self._gateway, current, self._settings).details)

    def search(self, text: str, *, limit: int = 8) -> Hits:
        """Calls (by SID, part, number) and leads (by id, name, number, e-mail, company) that a text may mean.

        :param limit: at most so many of each, 1 to 50.
        :raises BadInput: when the text is empty.
        """
        return search.find(self._gateway, text, self._settings.default_region, limit=limit)

    def story(self, call_sid: str) -> Story:
        """Everything about one call, by its exact SID.

        :raises NotFound: when there is no such call.
        """
        return lookup.story(self._gateway, fields.call_sid(call_sid), self._settings, self._now())

    def call(self, call_sid: str) -> Call:
        """One call by its exact SID, with the cause that holds now.

        :raises NotFound: when there is no such call.
        """
        return self._as_of(lookup.one(self._gateway, fields.call_sid(call_sid)), self._now())

    def candidates(self, call_sid: str) -> list[Candidate]:
        """The leads that may belong to a call, best first, each with what speaks for and against it.

        :raises NotFound: when there is no such call.
        """
        call = self.call(call_sid)
        return list(self.candidates_of([call])[call.call_sid])

    def candidates_of(self, calls: Sequence[Call]) -> Mapping[str, tuple[Candidate, ...]]:
        """The candidates of several calls at once, by SID."""
        return matching.candidates(self._gateway, calls, self._settings)

    def ticket(self, call_sid: str, *, link: str | None = None, full_numbers: bool = False) -> str:
        """A call as a few lines of plain text for a ticket, its numbers masked unless ``full_numbers``.

        :param link: address of the call's page.
        :raises NotFound: when there is no such call.
        """
        return summary.ticket(self.story(call_sid), link=link, full_numbers=full_numbers)

    def live(self, limit: int = 6) -> LiveCalls:
        """The newest calls in progress with their last lines; cheap enough to be asked every two seconds.

        :param limit: 1 to 100 calls.
        """
        return live.read(self._gateway, limit)

    def live_call(self, call_sid: str) -> LiveCall | None:
        """This call, while it is in progress; None when it is over, gone quiet, or unknown."""
        found = live.read(self._gateway, 1, fields.call_sid(call_sid)).calls
        return found[0] if found else None
