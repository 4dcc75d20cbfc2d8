// The program of the README does what it says, with the settings that the emulator prints.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <cstdio>

namespace {

TEST(readme, its_program_works_as_printed) {
    auto& service = fresh();
    const std::string command = "IMTAG_ENDPOINT=" + service.endpoint + " IMTAG_SECRET_KEY_FILE='" + service.key_file +
                                "' '" EXAMPLE "'";
    FILE* output = popen(command.c_str(), "r");
    ASSERT_NE(output, nullptr);
    char line[200] = "";
    EXPECT_NE(std::fgets(line, sizeof line, output), nullptr);
    EXPECT_EQ(pclose(output), 0);
    EXPECT_STREQ(line, "2 users tagged\n");
    EXPECT_NE(service.user("xiaojun013").find(R"(["a","b"])"), std::string::npos);
}

}  // namespace
