/*
 * A milter on libmilter that is given everything and does nothing: what the library and
 * the protocol cost whoever is written in C.
 *
 *     noop unix:PATH
 */

#include <libmilter/mfapi.h>
#include <stdio.h>
#include <stdlib.h>

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
	(void)ctx;
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
	if (argc != 2 || smfi_setconn(argv[1]) == MI_FAILURE ||
	    smfi_register(milter) == MI_FAILURE) {
		fputs("noop unix:PATH\n", stderr);
		return 2;
	}
	return smfi_main() != MI_SUCCESS;
}
