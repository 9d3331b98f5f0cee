#include "tests/provision/collect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>

#include <cmocka.h>

#define KEY_A "A1B2C3D4E5F60718293A4B5C6D7E8F90"
#define KEY_B "90F8E7D6C5B4A3928170605F4E3D2C1B"

static struct collected got;

static void assert_row(size_t index, uint32_t line, const char *csv)
{
	char out[PR_CSV_ROW_MAX];
	size_t length;

	assert_true(index < got.row_count);
	assert_int_equal(got.rows[index].line, line);
	length = pr_csv_write_row(&got.rows[index], out);
	assert_int_equal(length, strlen(csv));
	assert_memory_equal(out, csv, length);
}

static const char row_a[] =
	"70b3d57ed0000001,0004a30b001c0530,1.0.3,a1b2c3d4e5f60718293a4b5c6d7e8f90,,\"pump 7\"\n";

static void own_columns(void **state)
{
	(void)state;
	collect_text(&got, "join_eui,dev_eui,lorawan_version,app_key,nwk_key,name\n"
			   "70B3D57ED0000001,0004A30B001C0530,1.0.3," KEY_A ",, pump 7 \n"
			   "70B3D57ED0000001,0004A30B001C0531,1.1.0," KEY_A "," KEY_B ",\n");
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.problem_count, 0);
	assert_int_equal(got.notice_count, 0);
	assert_int_equal(got.row_count, 2);
	assert_row(0, 2, row_a);
	assert_row(1, 3,
		"70b3d57ed0000001,0004a30b001c0531,1.1,a1b2c3d4e5f60718293a4b5c6d7e8f90,"
		"90f8e7d6c5b4a3928170605f4e3d2c1b,\n");
}

/* All columns that The Things Stack's documentation lists for its CSV file. */
static void things_stack(void **state)
{
	(void)state;
	collect_text(&got,
		"id;dev_eui;join_eui;name;description;frequency_plan_id;lorawan_version;"
		"lorawan_phy_version;brand_id;model_id;hardware_version;firmware_version;band_id;"
		"app_key;nwk_key;rx1_delay;supports_32_bit_f_cnt;supports_class_c;dev_addr;"
		"app_s_key;f_nwk_s_int_key;last_f_cnt_up;last_n_f_cnt_down;last_a_f_cnt_down\r\n"
		"pump-7;0004A30B001C0530;70B3D57ED0000001;pump 7;;EU_863_870_TTN;MAC_V1_0_3;"
		"PHY_V1_0_3_REV_A;;;;;;" KEY_A ";;;true;false;;;;;;\r\n"
		"pump-8;0004A30B001C0531;70B3D57ED0000001;;;EU_863_870_TTN;MAC_V1_0_2;"
		"PHY_V1_0_2_REV_B;;;;;;" KEY_B ";;;;;;;;;;\r\n");
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.problem_count, 0);
	assert_int_equal(got.row_count, 2);
	assert_row(0, 2, row_a);
	assert_string_equal(got.rows[1].name, "pump-8");
	assert_int_equal(got.rows[1].version, LW_VERSION_1_0_2);
	assert_int_equal(got.notice_count, 16);
	assert_true(has_notice(&got, "column frequency_plan_id is ignored"));
	assert_true(has_notice(&got, "column app_s_key is ignored"));
}

static void other_spellings(void **state)
{
	static const char *const headers[] = {
		"AppEUI,DevEUI,MAC version,AppKey,Name",
		"app_eui,dev_eui,mac_version,nwk_key,device_name",
		"JoinEUI,DevEui,LoRaWAN MAC version,NwkKey,device-id",
		"\"join eui\";\"dev eui\";\"lorawan version\";\"app key\";\"description\"",
		"joineui\tdeveui\tlorawanversion\tapplication_key\tdev_id",
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const char separator = strpbrk(headers[i], ",;\t")[0];
		int length = snprintf(text, sizeof(text),
			"%s\n70B3D57ED0000001%c0004A30B001C0530%c1.0.3%c" KEY_A "%cpump 7\n",
			headers[i], separator, separator, separator, separator);

		collect(&got, text, (size_t)length);
		assert_int_equal(got.err, KW_OK);
		assert_row(0, 2, row_a);
	}
}

static void marks_and_line_ends(void **state)
{
	static const char *const ends[] = {"\n", "\r\n", "\r"};
	char text[512];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const char *end = ends[i];

		snprintf(text, sizeof(text),
			"\xef\xbb\xbf%sjoin_eui,dev_eui,lorawan_version,app_key,name%s%s"
			" 70B3D57ED0000001 ,0004A30B001C0530, 1.0.3\t," KEY_A ",pump 7%s,,,,%s%s",
			end, end, end, end, end, end);
		collect_text(&got, text);
		assert_int_equal(got.err, KW_OK);
		assert_int_equal(got.problem_count, 0);
		assert_int_equal(got.row_count, 1);
		assert_row(0, 4, row_a);
	}
}

static void quotes(void **state)
{
	(void)state;
	collect_text(&got,
		"\"name\",join_eui,dev_eui,lorawan_version,app_key\n"
		"\"a, \"\"b\"\"\r\nc\",70B3D57ED0000001,\"0004A30B001C0530\",1.0.3," KEY_A "\n"
		"x\"y,70B3D57ED0000001,0004A30B001C0531,1.0.3," KEY_A "\n");
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.row_count, 2);
	assert_string_equal(got.rows[0].name, "a, \"b\"  c");
	assert_int_equal(got.rows[0].line, 2);
	assert_string_equal(got.rows[1].name, "x\"y");
	assert_int_equal(got.rows[1].line, 4);
}

static void spreadsheet_quirks(void **state)
{
	(void)state;
	collect_text(&got, "sep=;\r\n"
			   "join_eui;dev_eui;lorawan_version;app_key;name\r\n"
			   "=\"70B3D57ED0000001\";'0004A30B001C0530;\"1.0.3\";"
			   "\"=\"\"" KEY_A "\"\"\";pump 7;\r\n"
			   "\xc2\xa0"
			   "70B3D57ED0000001;0004A30B001C0531\xc2\xa0;1.0.3;"
			   "0xA1B2-C3D4-E5F6-0718-293A-4B5C-6D7E-8F90;x\r\n"
			   ";;;;\r\n");
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.problem_count, 0);
	assert_int_equal(got.row_count, 2);
	assert_row(0, 3, row_a);
	assert_memory_equal(&got.rows[1].app_key, &got.rows[0].app_key, sizeof(struct lw_key));
}

static void short_rows(void **state)
{
	(void)state;
	collect_text(&got, "join_eui,dev_eui,lorawan_version,app_key,nwk_key,name\n"
			   "70B3D57ED0000001,0004A30B001C0530,1.0.3," KEY_A);
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.row_count, 1);
	assert_string_equal(got.rows[0].name, "");
}

static void assert_whole(const char *text, const char *words)
{
	collect_text(&got, text);
	assert_int_equal(got.err, KW_E_SYNTAX);
	assert_int_equal(got.row_count, 0);
	if (strstr(got.why, words) == NULL) {
		fail_msg("\"%s\" is not in \"%s\"", words, got.why);
	}
	assert_not_told(&got, KEY_A);
}

static void unreadable_as_a_whole(void **state)
{
	(void)state;
	assert_whole("", "empty");
	assert_whole("\xef\xbb\xbf\r\n \n", "empty");
	assert_whole("70B3D57ED0000001,0004A30B001C0530,1.0.3," KEY_A "\n", "no header line");
	assert_whole(KEY_A "\n", "no header line");
	assert_whole("dev_eui,app_key," KEY_A "\n", "column join_eui is missing");
	assert_whole("join_eui,dev_eui,app_key\n70B3D57ED0000001,0004A30B001C0530," KEY_A "\n",
		"column lorawan_version is missing: add it, e.g. 1.0.3");
	assert_whole("join_eui,dev_eui,lorawan_version\n", "column app_key is missing");
	assert_whole(
		"join_eui,app_eui,dev_eui,lorawan_version,app_key\n", "two columns mean join_eui");
	assert_whole(
		"join_eui,dev_eui,lorawan_version,app_key\n\"" KEY_A "\n\n", "line 2: a quote");
	assert_whole("\"join_eui", "line 1: a quote");
	assert_whole("-----BEGIN CMS-----\n", "PEM");
	assert_whole("\xff\xfej\0o\0", "UTF-16");
	collect(&got, "join_eui\0,", 10);
	assert_int_equal(got.err, KW_E_SYNTAX);
}

/* A header line that has a key in it: its names are not repeated. */
static void key_in_header(void **state)
{
	(void)state;
	collect_text(&got, "join_eui,dev_eui,lorawan_version,app_key," KEY_A ",A1-B2-C3-D4-E5\n"
			   "70B3D57ED0000001,0004A30B001C0530,1.0.3," KEY_A "\n");
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.notice_count, 1);
	assert_not_told(&got, KEY_A);
	assert_not_told(&got, "A1-B2-C3-D4-E5");
}

static enum kw_err stop_row(void *context, const struct pr_row *row)
{
	(*(unsigned *)context)++;
	return row->line == 3 ? KW_E_CLOSED : KW_OK;
}

static enum kw_err stop_problem(void *context, const struct pr_problem *problem)
{
	(*(unsigned *)context) += 100;
	return problem->line == 4 ? KW_E_BUSY : KW_OK;
}

static void callbacks_end_it(void **state)
{
	unsigned calls = 0;
	const struct pr_sink sink = {.row = stop_row, .problem = stop_problem, .context = &calls};
	static const char good[] = "join_eui,dev_eui,lorawan_version,app_key,other\n"
				   "70B3D57ED0000001,0004A30B001C0530,1.0.3," KEY_A "\n"
				   "70B3D57ED0000001,0004A30B001C0531,1.0.3," KEY_A "\n"
				   "70B3D57ED0000001,0004A30B001C0532,1.0.3," KEY_A "\n";
	static const char bad[] =
		"join_eui,dev_eui,lorawan_version,app_key\n,,,\nx,x,x,x\nx,x,x,x\n";
	char why[PR_TEXT_SIZE];

	(void)state;
	assert_int_equal(pr_read(good, strlen(good), &sink, why), KW_E_CLOSED);
	assert_int_equal(calls, 2);
	calls = 0;
	assert_int_equal(pr_read(bad, strlen(bad), &sink, why), KW_E_BUSY);
	assert_int_equal(calls, 200);
}

static void names_are_tamed(void **state)
{
	(void)state;
	collect_text(&got,
		"join_eui,dev_eui,lorawan_version,app_key,name\n"
		"70B3D57ED0000001,0004A30B001C0530,1.0.3," KEY_A ",a\033[2Jb\xc2\x9b!\n"
		"70B3D57ED0000001,0004A30B001C0531,1.0.3," KEY_A ",caf\xe9 caf\xc3\xa9\n"
		"70B3D57ED0000001,0004A30B001C0532,1.0.3," KEY_A
		",01234567890123456789012345678901234567890123456789012345678901\xc3\xa9z\n");
	assert_int_equal(got.row_count, 3);
	assert_string_equal(got.rows[0].name, "a [2Jb !");
	assert_string_equal(got.rows[1].name, "caf? caf\xc3\xa9");
	assert_string_equal(
		got.rows[2].name, "01234567890123456789012345678901234567890123456789012345678901");
	assert_true(has_notice(&got, "names longer than 63 octets are cut"));
}

static void written_rows_read_again(void **state)
{
	char text[4 * PR_CSV_ROW_MAX];
	size_t used = strlen(pr_csv_header);
	struct collected *first = test_malloc(sizeof(*first));

	(void)state;
	collect_text(&got,
		"join_eui,dev_eui,lorawan_version,app_key,nwk_key,name\n"
		"70B3D57ED0000001,0004A30B001C0530,1.1," KEY_A "," KEY_B ",\"\"\"\"\"\"\"\"\n"
		"70B3D57ED0000001,0004A30B001C0531,1.0.4," KEY_B ",,\"=\"\"x,y;z\"\"\"\n");
	*first = got;
	memcpy(text, pr_csv_header, used);
	for (size_t i = 0; i < first->row_count; i++) {
		used += pr_csv_write_row(&first->rows[i], text + used);
	}
	collect(&got, text, used);
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.row_count, 2);
	assert_memory_equal(got.rows, first->rows, 2 * sizeof(struct pr_row));
	test_free(first);
}

static void longest_row_fits(void **state)
{
	struct pr_row row = {.version = LW_VERSION_1_0_3, .has_nwk_key = true};
	char out[PR_CSV_ROW_MAX];

	(void)state;
	memset(row.name, '"', PR_NAME_SIZE - 1);
	assert_true(pr_csv_write_row(&row, out) < PR_CSV_ROW_MAX);
}

static enum kw_err count_row(void *context, const struct pr_row *row)
{
	(void)row;
	(*(unsigned *)context)++;
	return KW_OK;
}

static enum kw_err no_problem(void *context, const struct pr_problem *problem)
{
	(void)context;
	fail_msg("line %u: %s", problem->line, problem->text);
	return KW_E_INVALID;
}

#define MANY 100000u

static void many_rows(void **state)
{
	unsigned count = 0;
	const struct pr_sink sink = {.row = count_row, .problem = no_problem, .context = &count};
	char *text = malloc((size_t)MANY * 100 + 100);
	size_t used = strlen(pr_csv_header);
	char why[PR_TEXT_SIZE];
	struct timespec start;
	struct timespec end;

	(void)state;
	assert_non_null(text);
	memcpy(text, pr_csv_header, used);
	for (unsigned i = 0; i < MANY; i++) {
		used += (size_t)sprintf(text + used,
			"70b3d57ed0000001,0004a30b%08x,1.0.4," KEY_A ",,device %u\n", i, i);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(pr_read(text, used, &sink, why), KW_OK);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_int_equal(count, MANY);
	print_message("%u rows in %.3f s\n", MANY,
		(double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	/* Far more than it takes, sanitizers and a busy machine included; not what n squared takes. */
	assert_true(end.tv_sec - start.tv_sec < 20);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_columns),
		cmocka_unit_test(things_stack),
		cmocka_unit_test(other_spellings),
		cmocka_unit_test(marks_and_line_ends),
		cmocka_unit_test(quotes),
		cmocka_unit_test(spreadsheet_quirks),
		cmocka_unit_test(short_rows),
		cmocka_unit_test(unreadable_as_a_whole),
		cmocka_unit_test(key_in_header),
		cmocka_unit_test(callbacks_end_it),
		cmocka_unit_test(names_are_tamed),
		cmocka_unit_test(written_rows_read_again),
		cmocka_unit_test(longest_row_fits),
		cmocka_unit_test(many_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
