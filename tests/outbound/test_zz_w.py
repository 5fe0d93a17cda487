import time
from tests.outbound.conftest import *
from tests.outbound.conftest import Line, redis_server, redis, peer, settings, line
def test_w(line: Line):
    async def w(q): return await q.get_workers()
    print("before", line.queue._use(w))
    with line.working():
        time.sleep(1)
        print("during", line.queue._use(w))
    print("after", line.queue._use(w))
    print(line.queue.counts(), line.queue.recurring())
    from core.outbound.jobs import ScheduleRequest
    from datetime import timedelta
    line.queue.schedule(ScheduleRequest(to="+14155550101", every=timedelta(hours=1)))
    print(line.queue.recurring(), line.queue.counts(), [(x, line.queue.jobs(x).jobs) for x in ("delayed","waiting")])
    return
    try: line.queue.cancel(j.job_id)
    except Exception as e: print(repr(e), e)
