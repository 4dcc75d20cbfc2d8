#include "rows.h"

#include <string.h>

/* The symbols and the rows are the same, one for one. */
static void none_is_missing(const struct row *rows, size_t count, char **symbols, int symbol_count) {
    if (symbol_count == 0)
        return;
    CHECK((size_t)symbol_count == count);
    for (int i = 0; i < symbol_count; i++) {
        bool found = false;
        for (size_t row = 0; row < count; row++)
            found = found || strcmp(rows[row].name, symbols[i]) == 0;
        check_at(__FILE__, __LINE__, found, symbols[i]);
    }
}

void check_rows(const struct row *rows, size_t count, char **symbols, int symbol_count) {
    none_is_missing(rows, count, symbols, symbol_count);
    for (size_t row = 0; row < count; row++)
        rows[row].check();
}
