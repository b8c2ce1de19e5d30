/*
 * A load client for milters: the MTA's side of the milter protocol, as Postfix speaks it.
 *
 *     client FILE ADDRESS [options] >result.json
 *
 * One thread, epoll, and prepared packets that are sent as they lie in the mapped FILE
 * (messages.py writes it and tells its layout): what this program itself costs is told
 * in the result. Like Postfix it negotiates version 6 with all that it offers, leaves
 * out what the milter does not want, waits for no answer that the milter does not give,
 * writes only when it has to wait, carries several messages over one connection, says
 * ABORT after each, and QUIT at the end. Exit status 1 when an answer is not what
 * --verdict and --insert say, or when the milter goes away.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "client.h"

struct plan plan = {.per_connection = 10, .verdict = 'c', .count = UINT64_MAX};
struct tally tally;
int poller;
static char *sampled;
static size_t sampled_size;

void die(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
	exit(1);
}

double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

void quote(FILE *out, const uint8_t *text, size_t length)
{
	fputc('"', out);
	for (size_t i = 0; i < length; i++)
		if (text[i] < 0x20 || text[i] > 0x7e || text[i] == '"' || text[i] == '\\')
			fprintf(out, "\\u%04x", text[i]);
		else
			fputc(text[i], out);
	fputc('"', out);
}

static int ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static double quantile(double share)
{
	return tally.finished ? tally.latencies[(size_t)(share * (tally.finished - 1))] : 0;
}

static void report(double seconds)
{
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec +
		     (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
	fclose(tally.sample);
	qsort(tally.latencies, tally.finished, sizeof *tally.latencies, ascending);
	printf("{\"messages\": %lu, \"unexpected\": %lu, \"connections\": %lu, "
	       "\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"p50\": %.1f, \"p90\": %.1f, "
	       "\"p99\": %.1f, \"max\": %.1f, \"insertions\": %lu, \"changes\": %lu,\n",
	       tally.finished, tally.unexpected, tally.opened, seconds, cpu, quantile(.5),
	       quantile(.9), quantile(.99), quantile(1), tally.insertions, tally.changes);
	fputs(" \"answers\": {", stdout);
	const char *comma = "";
	for (int kind = 0; kind < 256; kind++)
		if (tally.answers[kind]) {
			printf("%s\"%c\": %lu", comma, kind, tally.answers[kind]);
			comma = ", ";
		}
	printf("},\n \"sample\": [%s],\n \"wrong\": ", sampled ? sampled : "");
	quote(stdout, (uint8_t *)tally.wrong, strlen(tally.wrong));
	puts("}");
}

static void usage(void)
{
	fputs("client FILE unix:PATH|inet:HOST:PORT [--connections N] [--per N] [--first N]\n"
	      "       [--count N] [--seconds S] [--verdict C] [--insert NAME=TEXT]...\n", stderr);
	exit(2);
}

static void options(int argc, char **argv, int *connections)
{
	static const struct option known[] = {
		{"connections", 1, 0, 'n'}, {"per", 1, 0, 'p'},     {"first", 1, 0, 'f'},
		{"count", 1, 0, 'c'},       {"seconds", 1, 0, 's'}, {"verdict", 1, 0, 'v'},
		{"insert", 1, 0, 'i'},      {0, 0, 0, 0}};
	int option;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (option) {
		case 'n': *connections = atoi(optarg); break;
		case 'p': plan.per_connection = atoi(optarg); break;
		case 'f': plan.first = strtoull(optarg, NULL, 10); break;
		case 'c': plan.count = strtoull(optarg, NULL, 10); break;
		case 's': plan.deadline = atof(optarg); break;
		case 'v': plan.verdict = optarg[0]; break;
		case 'i': {
			char *text = strchr(optarg, '=');
			if (!text || plan.wants == WANTED)
				usage();
			*text = 0;
			plan.wanted[plan.wants].name = optarg;
			plan.wanted[plan.wants++].text = text + 1;
			break;
		}
		default: usage();
		}
	if (argc - optind != 2 || *connections < 1 || plan.per_connection < 1 ||
	    (plan.count == UINT64_MAX && !plan.deadline))
		usage();
	plan.address = argv[optind + 1];
	int fd = open(argv[optind], O_RDONLY);
	struct stat about;
	if (fd < 0 || fstat(fd, &about) < 0)
		die(argv[optind]);
	plan.base = mmap(NULL, about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (plan.base == MAP_FAILED || memcmp(plan.base, MAGIC, 4) != 0)
		die("not prepared messages");
	plan.file = (const struct file *)plan.base;
	plan.bodies = (const struct body *)(plan.file + 1);
	plan.messages = (const struct message *)(plan.bodies + plan.file->bodies);
}

int main(int argc, char **argv)
{
	int connections = 1, busy = 0;
	struct epoll_event events[64];
	options(argc, argv, &connections);
	tally.sample = open_memstream(&sampled, &sampled_size);
	poller = epoll_create1(EPOLL_CLOEXEC);
	struct connection *all = calloc(connections, sizeof *all);
	if (!tally.sample || poller < 0 || !all)
		die("setting up");
	double began = now();
	if (plan.deadline)
		plan.deadline += began;
	for (int i = 0; i < connections; i++) {
		all[i].fd = -1;
		busy += begin(&all[i]);
	}
	while (busy) {
		int ready = epoll_wait(poller, events, 64, PATIENCE);
		if (ready == 0) {
			errno = ETIMEDOUT;
			die("no answer");
		}
		for (int i = 0; i < ready; i++) {
			struct connection *c = events[i].data.ptr;
			if (c->fd < 0)
				continue;
			if (events[i].events & EPOLLOUT)
				push(c);
			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				pull(c);
			busy -= c->fd < 0;
		}
	}
	report(now() - began);
	return tally.unexpected || !tally.finished;
}
