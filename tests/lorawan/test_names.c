#include "lorawan/names.h"
#include "tests/lorawan/octets.h"

#define JOIN_EUI_LABELS 31 /* 16 digits and the dots between them */

static void names_the_join_eui_from_the_end(void **state)
{
	struct lw_eui eui;
	char name[LW_DNS_NAME_SIZE];

	(void)state;
	octets_of("70b3d57ed0001234", eui.octets, sizeof(eui.octets));
	assert_int_equal(lw_join_eui_dns_name(&eui, LW_JOIN_EUI_DOMAIN, name), KW_OK);
	assert_string_equal(name, "4.3.2.1.0.0.0.d.e.7.5.d.3.b.0.7.joineuis.lora-alliance.org");
	assert_int_equal(lw_join_eui_dns_name(&eui, "example", name), KW_OK);
	assert_string_equal(name, "4.3.2.1.0.0.0.d.e.7.5.d.3.b.0.7.example");
}

static void names_the_net_id_from_the_front(void **state)
{
	struct lw_net_id net_id = {{0x60, 0x05, 0x0a}};
	char name[LW_DNS_NAME_SIZE];

	(void)state;
	assert_int_equal(lw_net_id_dns_name(&net_id, LW_NET_ID_DOMAIN, name), KW_OK);
	assert_string_equal(name, "60050a.netids.lora-alliance.org");
}

static void domains_of_every_length(void **state)
{
	struct lw_eui eui = {{0}};
	struct lw_net_id net_id = {{0}};
	char name[LW_DNS_NAME_SIZE];
	char domain[301] = "";

	(void)state;
	for (size_t length = 0; length < sizeof(domain); length++) {
		bool fits = JOIN_EUI_LABELS + 1 + length < LW_DNS_NAME_SIZE;

		assert_int_equal(
			lw_join_eui_dns_name(&eui, domain, name), fits ? KW_OK : KW_E_TOO_LONG);
		assert_int_equal(strlen(name), fits ? JOIN_EUI_LABELS + 1 + length : 0);
		fits = 6 + 1 + length < LW_DNS_NAME_SIZE;
		assert_int_equal(
			lw_net_id_dns_name(&net_id, domain, name), fits ? KW_OK : KW_E_TOO_LONG);
		assert_int_equal(strlen(name), fits ? 6 + 1 + length : 0);
		if (length + 1 < sizeof(domain)) {
			domain[length] = 'a';
		}
	}
}

static void checksum_of_known_texts(void **state)
{
	(void)state;
	assert_int_equal(lw_qr_checksum("", 0), 0xffff);
	/* The check value that catalogues of CRCs give for CRC-16/MODBUS. */
	assert_int_equal(lw_qr_checksum("123456789", 9), 0x4b37);
	assert_int_equal(lw_qr_checksum("123456789:C4B37", 9), 0x4b37);
}

static void checksum_notices_changes(void **state)
{
	char text[] = "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122";
	const size_t length = sizeof(text) - 1;
	const uint16_t right = lw_qr_checksum(text, length);

	(void)state;
	for (size_t i = 0; i < length; i++) {
		text[i] ^= 1;
		assert_int_not_equal(lw_qr_checksum(text, length), right);
		text[i] ^= 1;
		assert_int_not_equal(lw_qr_checksum(text, i), right);
	}
	assert_int_equal(lw_qr_checksum(text, length), right);
	text[0] = (char)0xff;
	assert_int_not_equal(lw_qr_checksum(text, length), right);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_join_eui_from_the_end),
		cmocka_unit_test(names_the_net_id_from_the_front),
		cmocka_unit_test(domains_of_every_length),
		cmocka_unit_test(checksum_of_known_texts),
		cmocka_unit_test(checksum_notices_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
