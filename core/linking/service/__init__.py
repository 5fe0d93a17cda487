"""The linking use cases in one place: what the console, the command line and scripts call.

One module per use case, named after what a person works on; :class:`Linking` is all of them together:

====================  ==============================================================================================
:mod:`.calls`         one call: finding it, its story, its candidates
:mod:`.worklists`     many calls: worklists, figures, triage, the CSV file
:mod:`.repairs`       link commands, their undo and the ledger
:mod:`.conflicts`     contradictions about one SID and their remedies
:mod:`.leads`         the lead's side: search, phone number, a new lead from a call
:mod:`.numbers`       rules about telephone numbers, our own numbers
:mod:`.batches`       links in bulk, and taking a batch back
:mod:`.judging`       causes that became doubtful
:mod:`.upkeep`        the System page, the queue's jobs, the rebuild
:mod:`.desk`          what all of these have at hand
====================  ==============================================================================================

The classes check who acts and put settings and clock in; the rules are in the modules of :mod:`core.linking`.
"""

from core.access.identity import Identity
from core.linking.service.batches import Batches
from core.linking.service.conflicts import Conflicts
from core.linking.service.leads import Leads
from core.linking.service.numbers import Numbers
from core.linking.service.upkeep import Upkeep
from core.linking.service.worklists import Worklists
from core.store.gateway import Gateway


class Linking(Worklists, Conflicts, Leads, Numbers, Batches, Upkeep):
    """Calls and their leads: worklists, lookup, repairs, the ledger.

    Safe to share between threads. Every method raises the errors of :mod:`core.errors` only.

    :param gateway: the way into the database.
    :param settings: grace period, region, own numbers and the actor that events carry when nobody is named.
    :param now: the clock, for ``pending``.
    :param identity: the signed-in person who acts; None: this machine's own user. See :meth:`acting_as`.
    """

    def acting_as(self, identity: Identity, way: Gateway | None = None) -> "Linking":
        """The same links for one signed-in person.

        Every link event carries their name, whatever the options say; a viewer's commands are refused with
        :class:`core.errors.NotAllowed`, previews are not.

        :param way: their own way into the database (:meth:`core.access.Access.way_of`); None: the common one.
        """
        return Linking(way or self._gateway, self._settings, now=self._now, identity=identity)
