"""Limits of the log process by name."""

CONNECTIONS_MAX = 1_000
CONNECTIONS_PER_UID_MAX = 100  # of people
QUESTIONS_MAX = 16  # searches waiting or under way; more are told to come again
ROWS_BYTES_MAX = 1_000_000  # of one frame of answers
TEXT_FLUSH_S = 0.02  # how long a line may wait for company
TEXT_RETRY_S = 1.0  # after the disk took nothing
COMMIT_S = 1.0  # the history is committed at most so often, unless COMMIT_BYTES wait
COMMIT_BYTES = 4_000_000
HEARTBEAT_S = 60.0  # an idle history still says that it is kept
REOPEN_S = 10.0  # after the history could not be opened
GOODBYE_S = 2.0  # at the end, for the others' last events
