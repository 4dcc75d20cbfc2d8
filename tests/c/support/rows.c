#include "rows.h"

#include <string.h>

static struct {
    const char *name;
    void (*check)(void);
} rows[256];
static size_t count;

void add_row(const char *name, void (*check)(void)) {
    if (count == sizeof rows / sizeof *rows)
        give_up("more rows than there is room for");
    rows[count].name = name;
    rows[count++].check = check;
}

/* The symbols and the rows are the same, one for one. */
static void none_is_missing(char **symbols, int symbol_count) {
    CHECK((size_t)symbol_count == count);
    for (int i = 0; i < symbol_count; i++) {
        bool found = false;
        for (size_t row = 0; row < count; row++)
            found = found || strcmp(rows[row].name, symbols[i]) == 0;
        check_at(__FILE__, __LINE__, found, symbols[i]);
    }
}

void check_rows(char **symbols, int symbol_count) {
    none_is_missing(symbols, symbol_count);
    for (size_t row = 0; row < count; row++)
        rows[row].check();
}
