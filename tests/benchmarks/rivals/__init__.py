"""What a team would build for itself: the same call, one transaction each, on the frameworks that most would take.

Written as their documentation teaches, with what a competent engineer adds: a pool, a cache of API keys, row locks, and for
GraphQL the parser and validation caches. They know no packages, no periods and no ledger to answer from: they do less than
Meterline does for the same call.
"""
