"""Limits of the stations by name."""

CACHED_MATCHES_MAX = 4_096  # clients whose rule is remembered
EXISTENCE_KEPT_S = 1.0  # how long the keeper's answer about a recipient is believed
EXISTENCES_KEPT_MAX = 4_096
RECIPIENTS_FORESEEN_MAX = 100  # of a group of RCPT commands, asked about before the first answer
QUESTIONS_FORESEEN_MAX = 1_000  # under way; more are not asked before their turn
STORY_STEPS_MAX = 1_000  # of one message's story; the steps of further recipients are left out
STORY_RECIPIENTS_MAX = 100  # named in a story; the message itself holds all
SPILL_HELD_BYTES_MAX = 524_288  # of a long body in memory; beyond it the client is not read from
DATA_S_MAX = 7_200  # a body must be complete within this, however steadily it trickles
LINGER_S_MAX = 30  # how long a client that was hung up on may take to read our last word
SESSIONS_MAX = 5_000  # of one process; further connections get 421
STOPPING_S = 8.0  # how long running commands may take when the server stops
