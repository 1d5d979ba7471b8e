"""Every limit of core by name: a buffer, list or wait without one is a fault.

Sources: RFC 5321 4.5.3.1, qmail's constants, the figures other servers hold.
"""

COMMAND_LINE_BYTES_MAX = 12_288  # SASL initial responses are the longest commands (Postfix: 12,288)
ADDRESS_BYTES_MAX = 900  # qmail-smtpd.c addrparse: more is `555 syntax error`
ENVELOPE_ADDRESS_BYTES_MAX = 1_002  # qmail-queue.c ADDR 1003
LOGIN_NAME_BYTES_MAX = 320  # of a login: a mailbox name of 64, `@`, a domain of 255
RECIPIENTS_MAX = 50_000  # of one message; beyond it 452 (RFC 5321, 4.5.3.1.10)
RECIPIENTS_BYTES_MAX = 2_097_152  # of one message together; what a frame to the queue can hold
HELO_BYTES_MAX = 255  # kept of a client's name for itself (RFC 5321, 4.5.3.1.2)
REPLY_LINE_BYTES_MAX = 512  # RFC 5321, 4.5.3.1.5, CR LF included
UNSENT_REPLIES_BYTES_MAX = 65_536  # to a group of commands; then they are sent before the next
HOPS_MAX = 100  # qmail-smtpd.c MAXHOPS
ERRORS_PER_SESSION_MAX = 20  # then 421 and close (Postfix: smtpd_hard_error_limit)
HEADER_SCAN_BYTES_MAX = 102_400  # how far hops are looked for (Postfix: header_size_limit)
INJECT_HEADER_BYTES_MAX = 16_777_216  # of a message that qmail-inject rewrites
MESSAGE_ID_BYTES_MAX = 998  # kept of a Message-ID (RFC 5322, 2.1.1: a line's length)
BODY_INLINE_BYTES_MAX = 131_072  # up to here a body travels in a frame and lives in the row
REPORT_BYTES_MAX = 10_000  # qmail-send.c REPORTMAX
PROGRAM_OUTPUT_BYTES_MAX = 3_000  # qmail-lspawn.c, then `Error report too long, sorry.`
REMOTE_REPLY_BYTES_MAX = 5_000  # qmail-remote.c HUGESMTPTEXT
DOT_QMAIL_BYTES_MAX = 262_144  # a dot-qmail file larger than this is deferred
CONTROL_FILE_BYTES_MAX = 268_435_456  # a control file larger than this is refused
TRAIL_STEPS_MAX = 200  # of one decision; forwards followed by trace end here
