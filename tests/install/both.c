/* libimtag.a and another static library of Rust in one program. */

#include <imtag.h>
#include <stdint.h>
#include <stdio.h>

/* a + b; -1 where that is too large, which the library finds out by a panic that it catches. */
int32_t other_add(int32_t a, int32_t b);

int main(void) {
    im_config *config = im_config_new();
    im_status status = im_config_set_region(config, IM_STR("atlantis"));
    im_config_free(config);
    printf("%s %d %d %d\n", im_version(), status == IM_SETTINGS, other_add(2, 3), other_add(INT32_MAX, 1));
    return 0;
}
