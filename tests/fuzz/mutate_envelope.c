/* With libFuzzer only: half of the mutations of an envelope know what DER is. */
#include "tests/fuzz/der.h"
#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	if (size > 1 && (data[0] & 2) == 0 && seed % 2 == 0) { /* SEAL_IT is not set */
		const size_t length = fuzz_der_mutate(data + 1, size - 1, max_size - 1, seed / 2);

		if (length > 0) {
			return length + 1;
		}
	}
	return LLVMFuzzerMutate(data, size, max_size);
}
