/* What client.c (what to do, and what came of it) and session.c (how) share. */

#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>

#include "load.h"

enum { PIECES = 64, ROOM = 1 << 17, WANTED = 8, PATIENCE = 60000 };

/* Where a connection is in its message. */
enum part { HEAD, BODY, TAIL };

struct connection {
	int fd;
	uint32_t steps;   /* protocol bits that the milter chose */
	int carried;      /* messages so far on this connection */
	uint32_t message; /* its place in the file */
	double began;
	enum part part;
	const uint8_t *next, *end; /* frames of this part */
	int told;                  /* the macros of this chunk are on their way */
	int skip;                  /* no more of the body, the milter said */
	char awaited;              /* the command whose answer we wait for, or 0 */
	struct iovec piece[PIECES];
	int pieces, written;
	uint32_t found; /* which of the wanted insertions came */
	uint32_t inserted, changed;
	uint8_t in[ROOM];
	size_t held;
};

struct plan {
	const char *address;
	int per_connection;
	char verdict; /* the answer that each message is to get */
	struct { const char *name, *text; } wanted[WANTED];
	int wants;
	uint64_t first, count;
	double deadline; /* 0: none */
	const uint8_t *base;
	const struct file *file;
	const struct message *messages;
	const struct body *bodies;
};

struct tally {
	uint64_t issued, finished, unexpected, opened, insertions, changes;
	uint64_t answers[256];
	float *latencies; /* microseconds */
	size_t capacity;
	FILE *sample; /* what one message had inserted, as JSON */
	int sampled;
	char wrong[600]; /* the first answer that was not as it should be */
};

extern struct plan plan;
extern struct tally tally;
extern int poller;

void die(const char *what);
double now(void);
void quote(FILE *out, const uint8_t *text, size_t length);

/* Begin the next message, on a new connection if need be; false if there is none. */
int begin(struct connection *c);

/* Write what there is to write, and no more than the socket takes. */
void push(struct connection *c);

/* Read what is there. */
void pull(struct connection *c);
