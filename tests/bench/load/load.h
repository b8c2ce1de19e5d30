/* The file of prepared messages: this header, the bodies, the messages, their octets.
 * Numbers are the machine's own; messages.py writes the same. */

#include <stdint.h>

#define MAGIC "MLT1"

struct file {
	char magic[4];
	uint32_t bodies, messages, reserved;
};

/* Frames of a body, which messages share. */
struct body {
	uint64_t offset, length;
};

/* At the offset, frames one after another: up to the end of the header (of which the
 * first are those that only a new connection gets), the macros that go before each
 * chunk of the body, and those of the end; then once more what precedes the body, for
 * who does not want the space that begins a header field's value. */
struct message {
	uint64_t offset;
	uint32_t connecting, head, chunk, tail, body, bare;
};
