// The program of the README, with the settings that the emulator prints, and its examples of bulk runs, batchers, logs
// and figures do what the README says.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <iostream>
#include <map>

using namespace std::chrono_literals;

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

TEST(readme, its_bulk_run_works_as_printed) {
    auto& service = fresh();
    const imtag::client client = service.client();
    const std::map<std::string, std::vector<std::string>> rows{{"alice", {"a"}}, {"bob", {"a", "b"}}};
    testing::internal::CaptureStdout();
    {
#include "printed/bulk.inc"
    }
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "2 of 2 done by 1 requests\n");
    EXPECT_NE(service.user("bob").find(R"(["a","b"])"), std::string::npos);
}

TEST(readme, its_batcher_works_as_printed) {
    auto& service = fresh();
    const imtag::client client = service.client();
    {
#include "printed/batcher.inc"
    }
    EXPECT_NE(service.user("xiaojun012").find(R"(["a"])"), std::string::npos);
    EXPECT_NE(service.user("xiaojun013").find(R"([])"), std::string::npos);
}

TEST(readme, its_log_works_as_printed) {
    auto& service = fresh();
    testing::internal::CaptureStderr();
    {
#include "printed/log.inc"
        service.client().add_tag({{"alice", {"a"}}});
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "new UserSig {\"source\":\"secret key\",\"valid_for_s\":604800}\n");
}

TEST(readme, its_figures_work_as_printed) {
    const imtag::client client = fresh().client();
    client.add_tag({{"alice", {"a"}}});
    static_cast<void>(client.get_tag({"alice"}));
    testing::internal::CaptureStdout();
    {
#include "printed/stats.inc"
    }
    EXPECT_EQ(testing::internal::GetCapturedStdout(),
              "1 of 2 calls added tags\n1: UserSigs that were made or supplied.\n");
}

}  // namespace
