"""Why a change of accounts was refused."""

from glassmail.core.model.vpopmail_faults import Fault


class AccountError(Exception):
    """A change cannot be made; nothing was changed.

    Attributes:
        fault: vpopmail's number for it; None when vpopmail has none.
    """

    def __init__(self, text: str, fault: Fault | None = None) -> None:
        """Say what and why.

        Args:
            text: names the rule and the remedy.
            fault: vpopmail's number.
        """
        super().__init__(text)
        self.fault = fault
