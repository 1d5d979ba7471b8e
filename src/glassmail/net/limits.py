"""Limits of the internal sockets by name."""

FRAME_BYTES_MAX = 4_194_304  # one frame; jobs and facts are batched well below it
FRAME_DESCRIPTORS_MAX = 8
READ_BYTES = 262_144  # asked of the kernel at once
UNSENT_BYTES_MAX = 67_108_864  # kept for a peer that does not read; beyond it the channel closes
BACKLOG = 1_024
