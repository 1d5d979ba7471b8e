"""Limits of the queue process by name."""

FRESH_BYTES_MAX = 67_108_864  # bodies of undelivered messages kept in memory; others are re-read
FRESH_PASSES_MAX = 4_096  # passes waiting in memory; further ones wait in the store
DUE_PAGE = 256  # due messages read at once
JOBS_BYTES_MAX = 1_048_576  # of one frame to local or remote
JOBS_MAX = 64  # jobs of one frame
JOB_BYTES_MAX = 3_670_016  # of one job's head and body; recipients come on top in its frame
BOUNCE_TEXTS_BYTES_MAX = 524_288  # of the reports that a bounce repeats
FACT_BYTES_MAX = 1_048_576  # of one row, unless a single event is larger
FACTS_WAIT_S = 0.05  # how long facts without another commit wait for one
BREAKS_MAX = 3  # times a delivery process may die under a pass before the pass is deferred
SPACE_CHECK_S = 1.0
DROP_SCAN_S = 30.0
DROP_HELD_BYTES_MAX = 16_777_216  # bodies from queue/drop that wait in memory for their commit
DROP_HELD_MAX = 1_000  # messages of queue/drop that wait for their commit
ALARM_CHUNK = 1_000  # messages made due at once by ALRM
OPEN_BODIES_MAX = 256  # body files of one smtpd that no Enqueue has named yet
CLIENT_OPEN_BODIES_MAX = 4  # the same of any other peer: it may have many connections
CONNECTIONS_MAX = 4_096
CONNECTIONS_PER_UID_MAX = 200  # of a submitter; each may make us keep a frame
HEADER_BYTES_LOOKED_AT = 16_384  # where the Message-ID is looked for
LONGEST_SLEEP_S = 300.0  # a clock that jumped is noticed at least this often
# Under load a commit waits a moment, so that more messages share it: with fewer than GATHER_FROM
# in the last one nobody waits.
GATHER_FROM = 3
GATHER_S = 0.0003
# So do local deliveries: batches leave at most this often while others are under way, unless they
# fill the free slots or reach GATHERED_STARTS_MAX.
GATHER_STARTS_S = 0.010
GATHERED_STARTS_MAX = 64
FACTS_SEND_S = 0.05  # how long committed facts wait for company on their way to the log
