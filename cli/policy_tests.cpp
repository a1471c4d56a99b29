// cli: expectations on disk and the profiles beside them. Talks to nobody, needs no root.
#include "cli/policy_tests.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/regular_file.h"
#include "policy/json_reader.h"

namespace pmos::cli {
namespace {

namespace fs = std::filesystem;

Result<std::vector<fs::path>> test_files(const fs::path& directory) {
    std::vector<fs::path> files;
    std::error_code error;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
        if (it->path().extension() == ".json") files.push_back(it->path());
    if (files.empty())
        return fail(Code::not_found, fmt::format("no expectations in '{}'", directory.string()),
                    error ? error.message() : "no file there ends in .json",
                    "docs/policy-tests.md says how to write them");
    std::ranges::sort(files);
    return files;
}

void read_file(const fs::path& file, PolicyTests& tests) {
    auto& diagnostics = tests.policy.diagnostics;
    auto bytes = read_regular_file(file.string(), policy::kMaxFileSize);
    if (!bytes) {
        diagnostics.push_back(policy::finding(policy::Rule::unreadable_profile,
                                              {file.string(), 0, 0, ""}, bytes.error().message()));
        return;
    }
    const policy::SourceFile source{file.string(), std::move(*bytes)};
    std::vector<policy::Diagnostic> found;
    if (auto read = policy::read_expectations(source, tests.policy.modes, found))
        std::ranges::move(*read, std::back_inserter(tests.expectations));
    std::ranges::move(found, std::back_inserter(diagnostics));
    tests.policy.texts[source.path] = source.bytes;
}

}  // namespace

Result<PolicyTests> read_policy_tests(const std::string& directory) {
    PMOS_ASSIGN(const std::string where,
                directory.empty() ? default_profiles() : Result<std::string>(directory));
    PMOS_ASSIGN(const auto files, test_files(fs::path(where) / "tests"));
    PolicyTests tests;
    PMOS_ASSIGN(tests.policy, check_policy({where}));
    for (const auto& file : files) read_file(file, tests);
    return tests;
}

std::vector<policy::TestCase> run_policy_tests(const PolicyTests& tests) {
    return policy::run_expectations(tests.expectations, tests.policy.modes, policy::whole_phone(),
                                    *tests.policy.separation);
}

}  // namespace pmos::cli
