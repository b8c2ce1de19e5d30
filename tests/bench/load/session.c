/*
 * One SMTP session of the load client: the state of its connection, the packets that it
 * sends, and the answers that it gets. The packets are those of libmilter's mfdef.h, in
 * the order in which Postfix 3.7 was seen to send them.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

enum { LEADING_SPACE = 0x100000 };

static uint32_t big(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, 4);
	return ntohl(value);
}

static int dial(void)
{
	int fd;
	if (strncmp(plan.address, "unix:", 5) == 0) {
		struct sockaddr_un to = {.sun_family = AF_UNIX};
		snprintf(to.sun_path, sizeof to.sun_path, "%s", plan.address + 5);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
			die(plan.address);
	} else {
		char host[64];
		int port, on = 1;
		struct sockaddr_in to = {.sin_family = AF_INET};
		if (sscanf(plan.address, "inet:%63[^:]:%d", host, &port) != 2 ||
		    inet_pton(AF_INET, host, &to.sin_addr) != 1) {
			errno = EINVAL;
			die(plan.address);
		}
		to.sin_port = htons(port);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
			die(plan.address);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl");
	return fd;
}

static void add(struct connection *c, const uint8_t *octets, size_t length)
{
	struct iovec *last = &c->piece[c->pieces - 1];
	if (c->pieces && (const uint8_t *)last->iov_base + last->iov_len == octets)
		last->iov_len += length;
	else
		c->piece[c->pieces++] = (struct iovec){(void *)octets, length};
}

/* Bits with which a milter says that it wants no such command, or answers none. */
static uint32_t unwanted(char kind)
{
	switch (kind) {
	case 'C': return 0x1;
	case 'H': return 0x2;
	case 'M': return 0x4;
	case 'R': return 0x8;
	case 'B': return 0x10;
	case 'L': return 0x20;
	case 'N': return 0x40;
	case 'T': return 0x200;
	}
	return 0;
}

static uint32_t unanswered(char kind)
{
	switch (kind) {
	case 'L': return 0x80;
	case 'C': return 0x1000;
	case 'H': return 0x2000;
	case 'M': return 0x4000;
	case 'R': return 0x8000;
	case 'T': return 0x10000;
	case 'N': return 0x40000;
	case 'B': return 0x80000;
	}
	return 0;
}

static void enter(struct connection *c, enum part part)
{
	const struct message *m = &plan.messages[c->message];
	const uint8_t *at = plan.base + m->offset;
	c->part = part;
	if (part == HEAD) {
		uint32_t length = m->head;
		if (!(c->steps & LEADING_SPACE)) {
			at += m->head + m->chunk + m->tail;
			length = m->bare;
		}
		c->next = at + (c->carried ? m->connecting : 0);
		c->end = at + length;
	} else if (part == BODY) {
		c->next = plan.base + plan.bodies[m->body].offset;
		c->end = c->next + plan.bodies[m->body].length;
		if (c->steps & unwanted('B') || c->skip)
			c->next = c->end;
		c->told = 0;
	} else {
		c->next = at + m->head + m->chunk;
		c->end = c->next + m->tail;
	}
}

/* Queue frames up to the first whose answer we wait for; false at a full queue. */
static void queue(struct connection *c)
{
	const struct message *m = &plan.messages[c->message];
	while (!c->awaited && c->pieces < PIECES - 1) {
		if (c->next == c->end) {
			if (c->part == TAIL)
				return;
			enter(c, c->part + 1);
			continue;
		}
		size_t length = 4 + big(c->next);
		char kind = c->next[4];
		/* Macros are for the command that follows them. */
		char command = kind == 'D' ? c->next[5] : kind;
		if (!(c->steps & unwanted(command))) {
			if (kind == 'B' && !c->told) {
				c->told = 1;
				add(c, plan.base + m->offset + m->head, m->chunk);
				continue;
			}
			add(c, c->next, length);
			c->told = 0;
			if (kind != 'D' && !(c->steps & unanswered(kind)))
				c->awaited = kind;
		}
		c->next += length;
	}
}

static void watch(struct connection *c, int how, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};
	if (epoll_ctl(poller, how, c->fd, &event) < 0)
		die("epoll_ctl");
}

/* Write what is queued; false if the socket does not take all of it now. */
static int flush(struct connection *c)
{
	while (c->written < c->pieces) {
		ssize_t done = writev(c->fd, c->piece + c->written, c->pieces - c->written);
		if (done < 0) {
			if (errno == EAGAIN)
				return 0;
			die("the milter does not read");
		}
		while (done > 0 && (size_t)done >= c->piece[c->written].iov_len)
			done -= c->piece[c->written++].iov_len;
		if (done) {
			struct iovec *piece = &c->piece[c->written];
			piece->iov_base = (uint8_t *)piece->iov_base + done;
			piece->iov_len -= done;
		}
	}
	c->written = c->pieces = 0;
	return 1;
}

void push(struct connection *c)
{
	while (flush(c)) {
		queue(c);
		if (!c->pieces)
			return;
	}
}

static void negotiate(struct connection *c)
{
	static const uint8_t offer[17] = {
		0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f, 0xff, 0xff};
	add(c, offer, sizeof offer);
	c->awaited = 'O';
}

int begin(struct connection *c)
{
	static const uint8_t quit[5] = {0, 0, 0, 1, 'Q'};
	int over = tally.issued >= plan.count || (plan.deadline && now() >= plan.deadline);
	if (c->fd >= 0 && (over || c->carried >= plan.per_connection)) {
		add(c, quit, sizeof quit);
		flush(c); /* if the socket is full, to close it says as much */
		close(c->fd);
		c->fd = -1;
	}
	if (over)
		return 0;
	c->message = (plan.first + tally.issued++) % plan.file->messages;
	c->began = now();
	c->found = c->inserted = c->changed = c->skip = 0;
	if (c->fd < 0) {
		c->carried = 0;
		c->held = c->pieces = c->written = 0;
		c->fd = dial();
		tally.opened++;
		watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLET);
		negotiate(c);
	}
	enter(c, HEAD);
	push(c);
	return 1;
}

static struct connection *sampler;

/* Note a field that the milter inserts; all of the first message goes to the sample. */
static void inserted(struct connection *c, const uint8_t *name, size_t length)
{
	size_t named = strnlen((const char *)name, length);
	const uint8_t *value = name + named + 1;
	size_t rest = named + 1 < length ? length - named - 1 : 0;
	size_t valued = rest ? strnlen((const char *)value, rest) : 0;
	for (int i = 0; i < plan.wants; i++)
		if (strlen(plan.wanted[i].name) == named &&
		    memcmp(plan.wanted[i].name, name, named) == 0 &&
		    memmem(value, valued, plan.wanted[i].text, strlen(plan.wanted[i].text)))
			c->found |= 1u << i;
	if (!sampler)
		sampler = c;
	if (sampler == c && !tally.sampled) {
		fputs(ftell(tally.sample) ? ", [" : "[", tally.sample);
		quote(tally.sample, name, named);
		fputs(", ", tally.sample);
		quote(tally.sample, value, valued);
		fputc(']', tally.sample);
	}
	c->inserted++;
}

/* The message has its answer. */
static void conclude(struct connection *c, char kind, const uint8_t *text, size_t length)
{
	static const uint8_t abort_message[5] = {0, 0, 0, 1, 'A'};
	if (tally.finished == tally.capacity) {
		tally.capacity = tally.capacity ? 2 * tally.capacity : 65536;
		tally.latencies =
			realloc(tally.latencies, tally.capacity * sizeof *tally.latencies);
		if (!tally.latencies)
			die("latencies");
	}
	tally.latencies[tally.finished++] = (now() - c->began) * 1e6;
	tally.answers[(uint8_t)kind]++;
	tally.insertions += c->inserted;
	tally.changes += c->changed;
	if (kind != plan.verdict || c->found != (1u << plan.wants) - 1) {
		if (!tally.unexpected++)
			snprintf(tally.wrong, sizeof tally.wrong,
				 "message %u: answer %c %.*s after %c; %u inserted, found %x",
				 c->message, kind, (int)(length < 400 ? length : 400),
				 (const char *)text, c->awaited, c->inserted, c->found);
	}
	tally.sampled |= sampler == c;
	c->awaited = 0;
	c->carried++;
	if (c->written < c->pieces) { /* answered before it had read everything */
		c->carried = plan.per_connection;
		c->written = c->pieces = 0;
	} else {
		add(c, abort_message, sizeof abort_message);
	}
	begin(c);
}

static void packet(struct connection *c, const uint8_t *at, size_t length)
{
	char kind = at[0], asked = c->awaited;
	switch (kind) {
	case 'O':
		if (asked != 'O' || length < 13 || big(at + 1) != 6) {
			errno = EPROTO;
			die("version 6 is not what the milter wants");
		}
		/* Whoever asks for macros of its choice gets those of all the others. */
		c->steps = big(at + 9);
		c->awaited = 0;
		enter(c, HEAD);
		push(c);
		return;
	case 'p':
		return;
	case 'i':
		inserted(c, at + 5, length - 5);
		return;
	case 'h':
		inserted(c, at + 1, length - 1);
		return;
	case 'm': case 'b': case '+': case '-': case '2': case 'e': case 'q':
		c->changed++;
		return;
	}
	if (!asked) {
		errno = EPROTO;
		die("an answer that nobody waits for");
	}
	if (asked != 'E' && (kind == 'c' || (kind == 's' && asked == 'B'))) {
		c->awaited = 0;
		if (kind == 's') {
			c->skip = 1;
			c->next = c->end;
		}
		push(c);
		return;
	}
	conclude(c, kind, at + 1, length - 1);
}

/* Read what is there; answers to a message may come in several pieces. */
void pull(struct connection *c)
{
	while (c->fd >= 0) {
		int fd = c->fd;
		ssize_t got = read(fd, c->in + c->held, ROOM - c->held);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			errno = got ? errno : ECONNRESET;
			die("the milter closed the connection");
		}
		c->held += got;
		size_t at = 0;
		while (c->fd == fd && c->held - at >= 4) {
			size_t length = big(c->in + at);
			if (!length || length > ROOM - 4) {
				errno = EPROTO;
				die("a packet of an odd length");
			}
			if (c->held - at < 4 + length)
				break;
			at += 4 + length;
			uint64_t before = tally.opened;
			packet(c, c->in + at - length, length);
			if (tally.opened != before) { /* nothing of the old connection counts */
				at = c->held = 0;
				break;
			}
		}
		memmove(c->in, c->in + at, c->held - at);
		c->held -= at;
	}
}

