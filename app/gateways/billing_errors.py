"""What can go wrong with the billing provider, as one small tree. What is told apart is what to do about it.

    BillingError
    ├── BillingUnavailableError       try again: no answer, or an answer that says so
    │   └── BillingRateLimitedError   try again, later: too many calls
    ├── BillingRefusedError           will never work: `code`, `param` and `words` say why
    │   ├── BillingNotFoundError      there is no such object, in this account and mode
    │   └── BillingKeyReusedError     the idempotency key was used before, for other content
    ├── BillingNotConfiguredError     no key or secret, or one that is not accepted: somebody must look at the settings
    └── BillingSignatureError         a webhook that the provider did not send, or not now

They are for services and jobs. None is a MeterlineError: who calls our API is told what it means for the call, in our words.

What a provider says in free words can have an email or something of a card in it. So no text of an error has them, for texts are
logged, kept, and printed in traces: the message names what the provider calls by a word of a list.
"""


class BillingError(Exception):
    """The root. `code` is a word of the provider's, `param` its name for the value at fault, `status` that of HTTP, `request_id`
    what its support asks for. `words` are its own sentence: for the tenant that wanted something, and for nobody else.

    `stored`: the provider will answer so to this idempotency key for a day, so whoever tries again takes another one.
    """

    stored: bool = False

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        code: str | None = None,
        param: str | None = None,
        status: int | None = None,
        words: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id
        self.code = code
        self.param = param
        self.status = status
        self.words = words


class BillingUnavailableError(BillingError):
    """Whether it happened is unknown, so what makes something is tried again with the same key.

    `retry_after_seconds`: before then it is of no use, if that is known; `app.domain.backoff` makes a delay of it.
    """

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        stored: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.stored = stored
        self.retry_after_seconds = retry_after_seconds


class BillingRateLimitedError(BillingUnavailableError):
    """Nothing was done. `reason`: which of the provider's limits it was, in its words, or `ours`."""

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id, retry_after_seconds=retry_after_seconds)
        self.reason = reason


class BillingRefusedError(BillingError):
    pass


class BillingNotFoundError(BillingRefusedError):
    pass


class BillingKeyReusedError(BillingRefusedError):
    stored = True


class BillingNotConfiguredError(BillingError):
    pass


class BillingSignatureError(BillingError):
    pass
