// tests: the kernel's audit records of denials, as Linux 6.1 writes them.
#include "runtime/daemon/audit_record.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <catch2/catch.hpp>

using namespace pmos::daemon;

namespace {

const std::string kSeccomp =
    "audit(1700000000.123:45): auid=4294967295 uid=300000 gid=300000 ses=4294967295 "
    "subj=pmos-mode pid=412 comm=\"python3\" exe=\"/usr/bin/python3.11\" sig=0 arch=c000003e "
    "syscall=101 compat=0 ip=0x7f0b code=0x50000";
const std::string kAppArmor =
    "audit(1700000000.123:46): apparmor=\"DENIED\" operation=\"open\" profile=\"pmos-mode\" "
    "name=\"/proc/sysrq-trigger\" pid=413 comm=7368206F6E65 requested_mask=\"w\" denied_mask=\"w\" "
    "fsuid=200000 ouid=0";

}  // namespace

TEST_CASE("a seccomp record says who tried what") {
    const auto record = parse_audit_record(AUDIT_SECCOMP, kSeccomp);
    REQUIRE(record);
    CHECK(record->layer == AuditRecord::Layer::seccomp);
    CHECK(record->uid == 300000);
    CHECK(record->pid == 412);
    CHECK(record->program == "python3");
    CHECK(record->arch == AUDIT_ARCH_X86_64);
    CHECK(record->syscall == 101);
    CHECK(record->action == SECCOMP_RET_ERRNO);
    CHECK(record->signal == 0);
}

TEST_CASE("an AppArmor record says which file, and a strange program name is decoded") {
    const auto record = parse_audit_record(AUDIT_AVC, kAppArmor);
    REQUIRE(record);
    CHECK(record->layer == AuditRecord::Layer::apparmor);
    CHECK(record->uid == 200000);
    CHECK(record->program == "sh one");
    CHECK(record->operation == "open");
    CHECK(record->object == "/proc/sysrq-trigger");
    CHECK(record->denied == "w");
}

TEST_CASE("a program cannot choose its mode by its name") {
    auto forged = kSeccomp;
    forged.replace(forged.find("\"python3\""), 9, "\"uid=200000\"");
    const auto record = parse_audit_record(AUDIT_SECCOMP, forged);
    REQUIRE(record);
    CHECK(record->uid == 300000);
    CHECK(record->program == "uid=200000");
}

TEST_CASE("numbers of calls are printed as signed") {
    auto x32 = kSeccomp;
    x32.replace(x32.find("syscall=101"), 11, "syscall=-2147483647");
    const auto record = parse_audit_record(AUDIT_SECCOMP, x32);
    REQUIRE(record);
    CHECK(record->syscall == 0x80000001);
}

TEST_CASE("records of another kind, and cut or broken ones, are nothing") {
    CHECK_FALSE(parse_audit_record(AUDIT_SYSCALL, kSeccomp));
    CHECK_FALSE(parse_audit_record(AUDIT_AVC, "apparmor=\"ALLOWED\" pid=1 fsuid=200000"));
    CHECK_FALSE(parse_audit_record(AUDIT_SECCOMP, ""));
    CHECK_FALSE(parse_audit_record(AUDIT_SECCOMP, "uid=1 pid= sig=0"));
    // Whatever is cut off, reading what is left is safe; without its last field it is no record.
    for (std::size_t n = 0; n < kSeccomp.find("code="); ++n)
        CHECK_FALSE(parse_audit_record(AUDIT_SECCOMP, kSeccomp.substr(0, n)));
    for (std::size_t n = 0; n < kAppArmor.size(); ++n) {
        INFO(n);
        CHECK_NOTHROW(parse_audit_record(AUDIT_AVC, kAppArmor.substr(0, n)));
    }
}

TEST_CASE("whose a record is, of any kind", "[audit]") {
    CHECK(user_of_record("audit(1.2:3): auid=4294967295 uid=300000 gid=300000 ses=1 pid=2") ==
          300000);
    CHECK(user_of_record("audit(1.2:3): apparmor=\"DENIED\" fsuid=7 ouid=8") == 7);
    // A name with a space in it is written in hexadecimal.
    CHECK(user_of_record("audit(1.2:3): auid=5 comm=\"uid=0\" uid=300001") == 300001);
    CHECK_FALSE(user_of_record("audit(1.2:3): proctitle=6361740061"));
    CHECK_FALSE(user_of_record("audit(1.2:3): auid=5 ouid=6"));
    CHECK_FALSE(user_of_record("audit(1.2:3): uid=x"));
    CHECK_FALSE(user_of_record(""));
}
