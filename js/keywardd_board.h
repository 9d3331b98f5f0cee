/** keywardd's side of the board (js/board.h). */
#ifndef KW_JS_KEYWARDD_BOARD_H
#define KW_JS_KEYWARDD_BOARD_H

#include "base/err.h"
#include "js/board.h"

/**
 * Make the board.
 *
 * @param board   out: mapped for writing, zero; lives as long as the process
 * @param reader  out: descriptor through which it can only be read
 * @return KW_OK, KW_E_SYSTEM (errno says why)
 */
KW_MUST_CHECK enum kw_err js_board_create(struct js_board **board, int *reader);

#endif
