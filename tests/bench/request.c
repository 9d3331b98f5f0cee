#include "tests/bench/request.h"

#include "base/hex.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define NONCES_MAX 0x10000u

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

void request_source_init(struct request_source *source, struct lw_aes *aes, enum request_mode mode,
	uint32_t devices, uint32_t first_nonce)
{
	uint32_t stride = (uint32_t)((uint64_t)devices * 618 / 1000) | 1;

	while (common_divisor(stride, devices) != 1) {
		stride += 2;
	}
	memset(source, 0, sizeof(*source));
	source->aes = aes;
	source->mode = mode;
	source->devices = devices;
	source->stride = stride;
	source->first_nonce = first_nonce;
}

static const char body_format[] =
	"{\"ProtocolVersion\":\"1.0\",\"SenderID\":\"%s\",\"ReceiverID\":\"0000000000000000\","
	"\"TransactionID\":1000000000,\"MessageType\":\"JoinReq\",\"MACVersion\":\"0.0.0\","
	"\"PHYPayload\":\"0000000000000000000000000000000000000000000000\","
	"\"DevEUI\":\"0000000000000000\",\"DevAddr\":\"00000000\",\"DLSettings\":\"00\","
	"\"RxDelay\":5}";

static size_t place(const struct request *request, const char *name)
{
	const char *at = strstr(request->octets, name);

	assert(at != NULL);
	return (size_t)(at - request->octets) + strlen(name);
}

bool request_init(struct request *request, const char *host, const char *path, const char *token,
	const char *net_id)
{
	char body[REQUEST_MAX / 2];
	int body_length = snprintf(body, sizeof(body), body_format, net_id);
	int length = snprintf(request->octets, sizeof(request->octets),
		"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%s%s%s"
		"Content-Length: %d\r\n\r\n%s",
		path, host, token == NULL ? "" : "Authorization: Bearer ",
		token == NULL ? "" : token, token == NULL ? "" : "\r\n", body_length, body);

	if (body_length < 0 || (size_t)body_length >= sizeof(body) || length < 0 ||
		(size_t)length >= sizeof(request->octets)) {
		return false;
	}
	request->length = (size_t)length;
	request->at_receiver = place(request, "\"ReceiverID\":\"");
	request->at_transaction = place(request, "\"TransactionID\":");
	request->at_mac_version = place(request, "\"MACVersion\":\"");
	request->at_phy_payload = place(request, "\"PHYPayload\":\"");
	request->at_dev_eui = place(request, "\"DevEUI\":\"");
	request->at_dev_addr = place(request, "\"DevAddr\":\"");
	request->at_dl_settings = place(request, "\"DLSettings\":\"");
	return true;
}

static void put(struct request *request, size_t at, const void *octets, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = octets;
	char *to = request->octets + at;

	for (size_t i = 0; i < length; i++) {
		*to++ = digits[from[i] >> 4];
		*to++ = digits[from[i] & 15];
	}
}

/* Ten digits always: the template has a fixed length. */
static void put_transaction(struct request *request, uint64_t number)
{
	char *at = request->octets + request->at_transaction;
	uint32_t value = (uint32_t)(number % 1000000000);

	for (size_t i = 10; i > 1; i--) {
		at[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
}

static const char *mac_version(enum lw_version version)
{
	return version == LW_VERSION_1_1 ? "1.1.0" : lw_version_text(version);
}

enum kw_err request_source_take(struct request_source *source, uint32_t *index, uint16_t *n)
{
	uint64_t number = source->next++;
	uint64_t round = source->first_nonce + number / source->devices;

	*index = (uint32_t)(number % source->devices * source->stride % source->devices);
	*n = (uint16_t)round;
	return round < NONCES_MAX ? KW_OK : KW_E_EXHAUSTED;
}

enum kw_err request_next(struct request_source *source, struct request *request)
{
	uint64_t number = source->next;
	uint8_t frame[LW_JOIN_REQUEST_SIZE];
	struct fleet_device device;
	uint32_t dev_addr;
	uint32_t index;
	uint16_t n;
	enum kw_err err = request_source_take(source, &index, &n);

	if (err == KW_OK) {
		err = fleet_make(source->aes, index, &device);
	}
	if (err != KW_OK) {
		return err;
	}
	if (source->mode == REQUEST_UNKNOWN) {
		device.id.dev_eui.octets[0] = 0xfe;
	}
	err = fleet_join_request(source->aes, &device, n, frame);
	if (err != KW_OK) {
		return err;
	}
	if (source->mode == REQUEST_WRONG_MIC) {
		frame[sizeof(frame) - 1] ^= 1;
	}
	dev_addr = __builtin_bswap32(0x26000000u | index % 0x2000000u);
	put(request, request->at_receiver, device.id.join_eui.octets, LW_EUI_SIZE);
	put_transaction(request, number);
	memcpy(request->octets + request->at_mac_version, mac_version(device.version), 5);
	put(request, request->at_phy_payload, frame, sizeof(frame));
	put(request, request->at_dev_eui, device.id.dev_eui.octets, LW_EUI_SIZE);
	put(request, request->at_dev_addr, &dev_addr, sizeof(dev_addr));
	request->octets[request->at_dl_settings] = lw_version_is_1_1(device.version) ? '8' : '0';
	return KW_OK;
}
