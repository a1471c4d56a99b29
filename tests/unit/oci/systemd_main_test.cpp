// tests: pmos-oci-systemd as it runs, against a bus whose systemd is the test's.
#include <signal.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "runtime/oci/systemd_helper.h"

using namespace pmos;
using namespace pmos::oci;

namespace {

constexpr const char* kPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kUnitPath = "/org/freedesktop/systemd1/unit/p_2dx_2escope";

// Answers as systemd does; a unit's name says how the answer is to be.
class FakeSystemd {
  public:
    FakeSystemd() {
        char path[] = "/tmp/pmos-oci-bus-XXXXXX";
        dir_ = ::mkdtemp(path);
        const std::string address = "unix:path=" + dir_ + "/bus";
        std::ofstream(dir_ + "/conf")
            << "<busconfig><type>session</type><listen>" << address
            << "</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow own=\"*\"/>"
               "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>";
        daemon_ = ::fork();
        if (daemon_ == 0) {
            ::execlp("dbus-daemon", "dbus-daemon", ("--config-file=" + dir_ + "/conf").c_str(),
                     "--nofork", "--nopidfile", nullptr);
            ::_exit(127);
        }
        ::setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1);
        ::setenv("DBUS_SESSION_BUS_ADDRESS", address.c_str(), 1);
        for (int i = 0; i < 2000 && !connect(address); ++i) ::usleep(5000);
        REQUIRE(bus_ != nullptr);
        thread_ = std::thread([this] {
            while (!ended_) {
                if (sd_bus_process(bus_, nullptr) == 0) sd_bus_wait(bus_, 20000);
            }
        });
    }
    FakeSystemd(const FakeSystemd&) = delete;
    ~FakeSystemd() {
        ended_ = true;
        if (thread_.joinable()) thread_.join();
        sd_bus_flush_close_unref(bus_);
        ::kill(daemon_, SIGTERM);
        ::waitpid(daemon_, nullptr, 0);
        std::filesystem::remove_all(dir_);
    }
    std::string take_calls() {
        const std::lock_guard lock(mutex_);
        return std::exchange(calls_, {});
    }

  private:
    bool connect(const std::string& address) {
        sd_bus* bus = nullptr;
        bool good =
            sd_bus_new(&bus) >= 0 && sd_bus_set_address(bus, address.c_str()) >= 0 &&
            sd_bus_set_bus_client(bus, 1) >= 0 && sd_bus_start(bus) >= 0 &&
            sd_bus_add_object_vtable(bus, nullptr, kPath, kManager, kTable, this) >= 0 &&
            sd_bus_add_object_vtable(bus, nullptr, kUnitPath, "org.freedesktop.systemd1.Scope",
                                     kScopeTable, this) >= 0 &&
            sd_bus_request_name(bus, "org.freedesktop.systemd1", 0) >= 0;
        if (good)
            bus_ = bus;
        else
            sd_bus_unref(bus);
        return good;
    }
    void record(sd_bus_message* message) {
        char* text = nullptr;
        std::size_t size = 0;
        FILE* file = ::open_memstream(&text, &size);
        sd_bus_message_dump(message, file, SD_BUS_MESSAGE_DUMP_WITH_HEADER);
        sd_bus_message_rewind(message, 1);
        std::fclose(file);
        const std::lock_guard lock(mutex_);
        calls_.append(text, size);
        std::free(text);
    }
    void job_ends(const std::string& unit) {
        const bool fails = unit.starts_with("fails");
        sd_bus_emit_signal(bus_, kPath, kManager, "JobRemoved", "uoss", 7,
                           "/org/freedesktop/systemd1/job/7", unit.c_str(),
                           fails ? "failed" : "done");
    }
    int job(sd_bus_message* message, sd_bus_error* error) {
        record(message);
        const char* name = nullptr;
        sd_bus_message_read(message, "s", &name);
        const std::string unit = name;
        if (unit.starts_with("none"))
            return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit", "not loaded");
        if (unit.starts_with("exists") && !reset_)
            return sd_bus_error_set(error, "org.freedesktop.systemd1.UnitExists", "it is there");
        if (unit.starts_with("refused"))
            return sd_bus_error_set(error, "org.freedesktop.DBus.Error.InvalidArgs",
                                    "no such\nslice");
        // Another's ends too, and ours before its answer has come, or after.
        sd_bus_emit_signal(bus_, kPath, kManager, "JobRemoved", "uoss", 6,
                           "/org/freedesktop/systemd1/job/6", "other.scope", "failed");
        if (!unit.ends_with("late.scope")) job_ends(unit);
        const int r = sd_bus_reply_method_return(message, "o", "/org/freedesktop/systemd1/job/7");
        if (unit.ends_with("late.scope")) job_ends(unit);
        return r;
    }

    static FakeSystemd* self(void* data) { return static_cast<FakeSystemd*>(data); }
    static int on_job(sd_bus_message* m, void* data, sd_bus_error* error) {
        return self(data)->job(m, error);
    }
    static int on_call(sd_bus_message* m, void* data, sd_bus_error*) {
        self(data)->record(m);
        if (sd_bus_message_is_method_call(m, kManager, "ResetFailedUnit") != 0)
            self(data)->reset_ = true;
        return sd_bus_reply_method_return(m, "");
    }
    static int on_group(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                        void*, sd_bus_error*) {
        return sd_bus_message_append(reply, "s", "/a.slice/p-x.scope");
    }

    static const sd_bus_vtable kTable[], kScopeTable[];
    std::string dir_, calls_;
    std::mutex mutex_;
    pid_t daemon_ = 0;
    sd_bus* bus_ = nullptr;
    std::atomic<bool> ended_ = false;
    bool reset_ = false;
    std::thread thread_;
};

const sd_bus_vtable FakeSystemd::kTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Subscribe", "", "", on_call, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("StartTransientUnit", "ssa(sv)a(sa(sv))", "o", on_job,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("StopUnit", "ss", "o", on_job, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ResetFailedUnit", "s", "", on_call, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SetUnitProperties", "sba(sv)", "", on_call, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};
const sd_bus_vtable FakeSystemd::kScopeTable[] = {
    SD_BUS_VTABLE_START(0), SD_BUS_PROPERTY("ControlGroup", "s", on_group, 0, 0),
    SD_BUS_VTABLE_END};

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("a scope is started, changed and stopped, and its job waited for") {
    FakeSystemd systemd;
    for (const bool of_user : {false, true}) {
        const SystemdHelper helper{PMOS_HELPER, of_user};
        const auto group = start_scope(helper, {"a.slice", "p-x.scope"}, 4711, "container web",
                                       {"MemoryMax=1073741824", "AllowedCPUs=0-2,9"});
        REQUIRE(group);
        CHECK(*group == "/a.slice/p-x.scope");
        const auto calls = systemd.take_calls();
        for (const auto* part :
             {"\"p-x.scope\"", "\"replace\"", "\"Delegate\"", "\"a.slice\"", "\"container web\"",
              "UINT32 4711", "UINT64 1073741824", "\"AllowedCPUs\"", "BYTE 7", "BYTE 2"})
            CHECK(has(calls, part));
        REQUIRE(set_scope(helper, "p-x.scope", {"TasksMax=infinity"}));
        CHECK(has(systemd.take_calls(), "UINT64 18446744073709551615"));
        REQUIRE(set_scope(helper, "p-x.scope", {}));
        CHECK(systemd.take_calls().empty());
        REQUIRE(stop_scope(helper, "p-x.scope"));
        CHECK(has(systemd.take_calls(), "StopUnit"));
        REQUIRE(stop_scope(helper, "p-late.scope"));
    }
}

TEST_CASE("what systemd refuses is said with its words") {
    FakeSystemd systemd;
    const SystemdHelper helper{PMOS_HELPER, false};
    REQUIRE(stop_scope(helper, "none.scope"));
    const auto failed = start_scope(helper, {"a.slice", "fails.scope"}, 4711, "x", {});
    CHECK(has(failed.error().why, "failed"));
    const auto refused = start_scope(helper, {"a.slice", "refused.scope"}, 4711, "x", {});
    CHECK(has(refused.error().why, "no such"));
    CHECK_FALSE(has(refused.error().why, "\n"));
    // One that failed before is put away, and the second time it starts.
    systemd.take_calls();
    const auto again = start_scope(helper, {"a.slice", "exists.scope"}, 4711, "x", {});
    CHECK_FALSE(again);  // but this bus has no cgroup for it
    CHECK(has(again.error().why, "cannot find 'exists.scope'"));
    CHECK(has(systemd.take_calls(), "ResetFailedUnit"));
}

TEST_CASE("no systemd is an error that says what to do") {
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere", 1);
    const auto none = stop_scope({PMOS_HELPER, false}, "p-x.scope");
    CHECK(has(none.error().why, "cannot reach systemd"));
    CHECK(has(none.error().fix, "cgroupfs"));
}
