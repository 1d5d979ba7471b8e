"""Limits of the internal sockets by name."""

FRAME_BYTES_MAX = 4_194_304  # one frame; jobs and facts are batched well below it
FRAME_DESCRIPTORS_MAX = 8
READ_BYTES = 262_144  # asked of the kernel at once
JOIN_BYTES = 262_144  # small frames joined into one system call
UNSENT_BYTES_MAX = 67_108_864  # kept for a peer that does not read; beyond it the channel closes
ACCEPT_REST_S = 0.2  # without descriptors, before the next try to accept
BACKLOG = 1_024
QUEUE_ANSWER_S_MAX = 240.0  # a client waits 600 s for the end of DATA (RFC 5321, 4.5.3.2.6)
KEEPER_ANSWER_S_MAX = 10.0  # a client waits at RCPT meanwhile
