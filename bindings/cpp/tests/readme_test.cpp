// The program of the README does what it says, with the settings that the emulator prints.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

namespace {

TEST(readme, its_program_works_as_printed) {
    auto& service = fresh();
    setenv("IMTAG_ENDPOINT", service.endpoint.c_str(), 1);
    setenv("IMTAG_SDKAPPID", std::to_string(service.sdkappid).c_str(), 1);
    setenv("IMTAG_IDENTIFIER", service.identifier.c_str(), 1);
    setenv("IMTAG_SECRET_KEY_FILE", service.key_file.c_str(), 1);
    FILE* output = popen(EXAMPLE, "r");
    ASSERT_NE(output, nullptr);
    char line[200] = "";
    EXPECT_NE(std::fgets(line, sizeof line, output), nullptr);
    EXPECT_EQ(pclose(output), 0);
    EXPECT_STREQ(line, "2 users tagged\n");
    EXPECT_NE(service.user("xiaojun013").find(R"(["a","b"])"), std::string::npos);
}

}  // namespace
