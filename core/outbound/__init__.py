"""Outbound calls: the queue, the worker that never dials twice, and what is kept of both.

:mod:`core.outbound.carrier` is the port to whoever dials, :mod:`core.outbound.queue` the queue ``outbound-calls``
(what is asked of BullMQ is in :mod:`core.outbound.bull`),
:mod:`core.outbound.attempts` the table that decides who may dial, :mod:`core.outbound.worker` the worker and
:mod:`core.outbound.harvest` what keeps the results of jobs after the queue forgot them.
"""
