/*
 * A milter on libmilter that is given everything and does nothing: what the library and
 * the protocol cost whoever is written in C. With a number it inserts one header field of
 * so many octets, always the same: what that costs the MTA.
 *
 *     noop unix:PATH [OCTETS]
 */

#include <libmilter/mfapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 70

static char *field;

static char *folded(size_t octets)
{
	char *made = malloc(octets + 1);

	if (made == NULL)
		return NULL;
	memset(made, 'x', octets);
	made[0] = ' '; /* after the colon: SMFIP_HDR_LEADSPC */
	made[octets] = '\0';
	for (size_t at = LINE; at + 1 < octets; at += LINE) {
		made[at] = '\n';
		made[at + 1] = ' ';
	}
	return made;
}

static sfsistat on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *address)
{
	(void)ctx, (void)name, (void)address;
	return SMFIS_NOREPLY;
}

static sfsistat on_word(SMFICTX *ctx, char *word)
{
	(void)ctx, (void)word;
	return SMFIS_NOREPLY;
}

static sfsistat on_words(SMFICTX *ctx, char **words)
{
	(void)ctx, (void)words;
	return SMFIS_NOREPLY;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
	(void)ctx, (void)name, (void)value;
	return SMFIS_NOREPLY;
}

static sfsistat on_eoh(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_NOREPLY;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *octets, size_t length)
{
	(void)ctx, (void)octets, (void)length;
	return SMFIS_NOREPLY;
}

static sfsistat on_end(SMFICTX *ctx)
{
	if (field != NULL && smfi_insheader(ctx, 0, "X-Noop", field) == MI_FAILURE)
		return SMFIS_TEMPFAIL;
	return SMFIS_CONTINUE;
}

static sfsistat on_negotiation(SMFICTX *ctx, unsigned long f0, unsigned long f1,
			       unsigned long f2, unsigned long f3, unsigned long *p0,
			       unsigned long *p1, unsigned long *p2, unsigned long *p3)
{
	(void)ctx, (void)f0, (void)f2, (void)f3;
	*p0 = SMFIF_ADDHDRS;
	*p1 = f1 & (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT |
		    SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY | SMFIP_NODATA |
		    SMFIP_NOUNKNOWN | SMFIP_HDR_LEADSPC);
	*p2 = *p3 = 0;
	return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
	struct smfiDesc milter = {
		.xxfi_name = "noop",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_word,
		.xxfi_envfrom = on_words,
		.xxfi_envrcpt = on_words,
		.xxfi_header = on_header,
		.xxfi_eoh = on_eoh,
		.xxfi_body = on_body,
		.xxfi_eom = on_end,
		.xxfi_negotiate = on_negotiation,
	};
	long octets = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

	if (octets > 0)
		field = folded((size_t)octets);
	if (argc < 2 || argc > 3 || (argc == 3 && field == NULL) ||
	    smfi_setconn(argv[1]) == MI_FAILURE ||
	    smfi_register(milter) == MI_FAILURE) {
		fputs("noop unix:PATH [OCTETS]\n", stderr);
		return 2;
	}
	return smfi_main() != MI_SUCCESS;
}
