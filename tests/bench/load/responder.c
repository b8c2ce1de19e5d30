/*
 * The least that answers as a milter: how fast the load client is against it is how fast
 * the client can be.
 *
 *     responder PATH
 *
 * One thread, epoll; wants everything, answers nothing but the end of a message, and
 * looks into no packet.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ROOM = 1 << 18, MANY = 1024 };

struct session {
	size_t held;
	size_t skipped; /* octets of a packet that are still to come */
};

static struct session sessions[MANY];
static uint8_t in[ROOM];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void answer(int fd, char kind)
{
	/* Offers to insert, and asks for a header as it stands and no answers (NR). */
	static const uint8_t options[17] = {
		0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 0, 1, 0, 0x1f, 0xf0, 0x80};
	static const uint8_t go_on[5] = {0, 0, 0, 1, 'c'};
	ssize_t done = kind == 'O' ? write(fd, options, sizeof options)
				   : write(fd, go_on, sizeof go_on);
	if (done < 0)
		die("write");
}

/* Walk over the packets; of one that is cut, the first five octets are all we need. */
static int serve(int fd)
{
	static uint8_t kept[MANY][5];
	struct session *s = &sessions[fd];
	memcpy(in, kept[fd], s->held);
	ssize_t got = read(fd, in + s->held, ROOM - s->held);
	if (got <= 0)
		return 0;
	size_t end = s->held + got, at = s->skipped < end ? s->skipped : end;
	s->skipped -= at;
	while (end - at >= 5) {
		uint32_t length;
		memcpy(&length, in + at, 4);
		char kind = in[at + 4];
		if (kind == 'O' || kind == 'E')
			answer(fd, kind);
		size_t whole = 4 + (size_t)ntohl(length);
		if (at + whole > end) {
			s->skipped = at + whole - end;
			at = end;
		} else {
			at += whole;
		}
	}
	s->held = end - at;
	memcpy(kept[fd], in + at, s->held);
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un here = {.sun_family = AF_UNIX};
	struct epoll_event events[64], event = {.events = EPOLLIN};
	int door = socket(AF_UNIX, SOCK_STREAM, 0), poller = epoll_create1(0);
	if (argc != 2 || door < 0 || poller < 0)
		die("responder PATH");
	snprintf(here.sun_path, sizeof here.sun_path, "%s", argv[1]);
	if (bind(door, (struct sockaddr *)&here, sizeof here) < 0 || listen(door, 128) < 0)
		die(argv[1]);
	event.data.fd = door;
	epoll_ctl(poller, EPOLL_CTL_ADD, door, &event);
	for (;;) {
		int ready = epoll_wait(poller, events, 64, -1);
		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;
			if (fd != door) {
				if (!serve(fd))
					close(fd);
				continue;
			}
			event.data.fd = accept(door, NULL, NULL);
			if (event.data.fd < 0 || event.data.fd >= MANY)
				die("accept");
			sessions[event.data.fd] = (struct session){0, 0};
			epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event);
		}
	}
}
