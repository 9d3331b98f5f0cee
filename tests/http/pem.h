/** A certificate for localhost and its key, made for the test run, as PEM texts (free them). */
#ifndef TESTS_HTTP_PEM_H
#define TESTS_HTTP_PEM_H

void pem_make(char **certificate, char **key);

#endif
