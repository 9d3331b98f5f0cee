#include "keystore/encode.h"

#include <string.h>

#define DEVICE_VERSION 1

enum device_flag {
	DEVICE_BLOCKED = 1 << 0,
	DEVICE_NS_ID = 1 << 1,
	DEVICE_FLAGS = DEVICE_BLOCKED | DEVICE_NS_ID,
};

static bool origin_valid(unsigned value)
{
	return value == KS_ORIGIN_IMPORTED || value == KS_ORIGIN_GENERATED;
}

static bool device_valid(const struct ks_device *device)
{
	return lw_version_valid(device->version) && device->version != LW_VERSION_NONE &&
	       origin_valid(device->origin) && ks_policy_valid(&device->policy) &&
	       ks_sealed_holds(&device->app_key, LW_BLOCK_SIZE) &&
	       (lw_version_is_1_1(device->version)
			       ? ks_sealed_holds(&device->nwk_key, LW_BLOCK_SIZE)
			       : device->nwk_key.length == 0);
}

enum kw_err ks_device_encode(
	const struct ks_device *device, uint8_t out[KS_DEVICE_RECORD_MAX], size_t *length)
{
	const struct ks_policy *policy = &device->policy;
	struct kw_writer writer;

	*length = 0;
	if (!device_valid(device)) {
		return KW_E_INVALID;
	}
	kw_writer_init(&writer, out, KS_DEVICE_RECORD_MAX);
	kw_write_u8(&writer, DEVICE_VERSION);
	kw_write_u8(&writer, (uint8_t)device->version);
	kw_write_u8(&writer, (uint8_t)device->origin);
	kw_write_u64(&writer, device->created_ms);
	kw_write_u64(&writer, device->changed_ms);
	kw_write_u8(&writer, (uint8_t)((policy->blocked ? DEVICE_BLOCKED : 0) |
				       (policy->has_ns_id ? DEVICE_NS_ID : 0)));
	kw_write_u8(&writer, (uint8_t)policy->delivery);
	ks_write_net_ids(&writer, policy->net_ids, policy->net_id_count);
	ks_write_net_ids(&writer, policy->roaming, policy->roaming_count);
	if (policy->has_ns_id) {
		kw_write_octets(&writer, policy->ns_id.octets, LW_EUI_SIZE);
	}
	kw_write_string(&writer, policy->as_id);
	kw_write_string(&writer, policy->name);
	kw_write_octets(&writer, device->app_key_kcv, KS_KCV_SIZE);
	kw_write_octets(&writer, device->nwk_key_kcv, KS_KCV_SIZE);
	ks_write_sealed(&writer, &device->app_key);
	ks_write_sealed(&writer, &device->nwk_key);
	ks_record_end(&writer);
	*length = writer.used;
	return kw_writer_end(&writer);
}

static void read_policy(struct kw_reader *reader, struct ks_policy *policy)
{
	const uint8_t flags = kw_read_u8(reader);

	policy->blocked = (flags & DEVICE_BLOCKED) != 0;
	policy->has_ns_id = (flags & DEVICE_NS_ID) != 0;
	policy->delivery = kw_read_u8(reader);
	ks_read_net_ids(reader, policy->net_ids, &policy->net_id_count);
	ks_read_net_ids(reader, policy->roaming, &policy->roaming_count);
	if (policy->has_ns_id) {
		kw_read_octets(reader, policy->ns_id.octets, LW_EUI_SIZE);
	}
	kw_read_string(reader, policy->as_id, sizeof(policy->as_id));
	kw_read_string(reader, policy->name, sizeof(policy->name));
	if ((flags & ~DEVICE_FLAGS) != 0) {
		reader->failed = true;
	}
}

enum kw_err ks_device_decode(const uint8_t *octets, size_t length, struct ks_device *out)
{
	struct kw_reader reader;
	uint8_t version;

	memset(out, 0, sizeof(*out));
	if (!ks_record_begin(&reader, octets, length, DEVICE_VERSION, &version)) {
		return KW_E_STORE_DAMAGED;
	}
	out->version = kw_read_u8(&reader);
	out->origin = kw_read_u8(&reader);
	out->created_ms = kw_read_u64(&reader);
	out->changed_ms = kw_read_u64(&reader);
	read_policy(&reader, &out->policy);
	kw_read_octets(&reader, out->app_key_kcv, KS_KCV_SIZE);
	kw_read_octets(&reader, out->nwk_key_kcv, KS_KCV_SIZE);
	ks_read_sealed(&reader, &out->app_key);
	ks_read_sealed(&reader, &out->nwk_key);
	if (kw_reader_end(&reader) != KW_OK || !device_valid(out)) {
		memset(out, 0, sizeof(*out));
		return KW_E_STORE_DAMAGED;
	}
	return KW_OK;
}
