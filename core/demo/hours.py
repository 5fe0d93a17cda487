"""When the demo's calls take place: on weekdays, in office hours, up to now."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Final

DAYS: Final = 60
_OFFICE_HOURS: Final = {13: 5, 14: 9, 15: 10, 16: 8, 17: 6, 18: 9, 19: 10, 20: 8, 21: 5, 22: 2}
"""How busy each hour of the day is, in UTC (an office on the American east coast); other hours are nearly silent."""
_WEEKEND: Final = 0.12
_NIGHT: Final = 0.12


class BusinessHours:
    """Draws moments of the last 60 days, as often as a business calls.

    :param now: the end of the world, aware.
    :param quiet: minutes before ``now`` in which nothing starts, so that every drawn call has ended.
    """

    def __init__(self, rng: Random, now: datetime, *, quiet: int = 45) -> None:
        self._rng = rng
        self.latest = now.astimezone(UTC) - timedelta(minutes=quiet)
        self.earliest = (self.latest - timedelta(days=DAYS)).replace(minute=0, second=0, microsecond=0)
        hours = int((self.latest - self.earliest) / timedelta(hours=1)) + 1
        self._hours = [self.earliest + timedelta(hours=n) for n in range(hours)]
        self._sums = list(accumulate(_weight(hour) for hour in self._hours))

    def moment(self, after: datetime | None = None, before: datetime | None = None) -> datetime:
        """A moment between two others, which are cut to the 60 days; at least an hour is always open to chance."""
        low = self._sum_before(max(after or self.earliest, self.earliest))
        high = self._sum_before(min(before or self.latest, self.latest) + timedelta(hours=1))
        place = bisect_left(self._sums, self._rng.uniform(low, max(high, low)))
        hour = self._hours[min(place, len(self._hours) - 1)]
        drawn = hour + timedelta(milliseconds=self._rng.randrange(3_600_000))
        return min(max(drawn, after or self.earliest), self.latest)

    def moments(self, count: int, span: timedelta = timedelta(days=24)) -> list[datetime]:
        """Several moments in order, at most ``span`` apart, as one customer's calls lie."""
        anchor = self.moment()
        begin = anchor - span * self._rng.random()
        return sorted([anchor, *(self.moment(begin, begin + span) for _ in range(count - 1))])

    def _sum_before(self, moment: datetime) -> float:
        hour = int((moment - self.earliest) / timedelta(hours=1))
        return self._sums[min(hour, len(self._sums)) - 1] if hour > 0 else 0.0


def _weight(hour: datetime) -> float:
    base = _OFFICE_HOURS.get(hour.hour, _NIGHT)
    return base * (_WEEKEND if hour.weekday() >= 5 else 1.0)
