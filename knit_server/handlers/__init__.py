"""The HTTP API as tornado handlers in Jupyter server: decode the request, call a service, encode the answer.

Nothing here decides anything about Data, Plans or Runs, and nothing of a service, the store or a codec runs on
Jupyter's event loop: every call goes through threads of Knit's own (`Host.workers`). Authentication, authorisation,
limits of bodies and the status of errors live in `base.KnitHandler` alone.
"""
