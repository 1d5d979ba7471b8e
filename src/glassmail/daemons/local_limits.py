"""Limits of the local starter, its forker and its workers by name."""

WORKERS_MAX = 32
WORKER_IDLE_S = 30.0  # a worker without work ends after this
IDLE_CHECK_S = 5.0
WORKER_MEMORY_BYTES_MAX = 536_870_912  # writable memory, threads' stacks included
DESCRIPTORS_MAX = 4_096
WORKS_BYTES_MAX = 1_048_576  # of one frame to a worker; a single larger job travels alone
ASSIGNMENTS_MAX = 512  # of one work; more recipients of a message become several works
RESULTS_MAX = 128  # of one frame
TRAIL_BYTES_MAX = 16_384  # of one result's trail; what is beyond is left out
USERS_KEPT_S = 1.0  # how long the answer to "whose mail is it?" is believed
USERS_KEPT_MAX = 4_096
FORWARD_WAIT_S = 300.0  # for the queue's answer to a forward
QUEUE_SEND_S = 30.0  # for the queue to take a frame
BARRED_S = 60.0  # how long fsync is used after a round of syncfs has failed
STOP_S = 10.0  # how long deliveries under way may take when the process is told to end
