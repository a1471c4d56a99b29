// tests: the description of a phone: what it says, every fault at its place, what a fault denies.
#include "policy/handset.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

using namespace pmos::policy;

namespace {

struct Read {
    Handset handset;
    std::vector<Diagnostic> faults;

    std::set<std::string> classes() const {
        std::set<std::string> out;
        for (const auto& match : handset.matches) out.insert(match.device_class);
        return out;
    }
    std::string said() const {
        std::string out;
        for (const auto& d : faults) out += to_text(d) + "\n";
        return out;
    }
};

Read read(std::string_view text) {
    Read out;
    out.handset = read_handset("handset.json", text, out.faults);
    return out;
}

const std::set<std::string> kBuiltInClasses{"gpu", "audio", "camera", "gnss", "sensors"};

}  // namespace

TEST_CASE("a phone that says nothing has the built-in rules, without USB and a modem") {
    const auto built_in = built_in_handset();
    CHECK(built_in.matches.size() == 8);
    CHECK(std::ranges::all_of(built_in.matches, [](const auto& m) { return m.at.file.empty(); }));
    const auto empty = read("{}");
    CHECK(empty.faults.empty());
    CHECK(empty.classes() == kBuiltInClasses);
    CHECK(empty.handset.model.empty());
}

TEST_CASE("a class that is named has what it names and nothing else") {
    const auto r = read(R"({
        // comments are allowed
        "model": "x1",
        "devices": {
            "gpu": [],
            "modem": ["/dev/wwan0at0"],
            "audio": [{"path": "/dev/snd/pcmC0D0p", "right": "playback"}],
            "camera": [{"subsystem": "video4linux", "name": "video*",
                        "properties": {"ID_PATH": "pci-0000:00:03.0", "A": "*"}}],
            "usb": [{"subsystem": "usb"}]
        }})");
    INFO(r.said());
    CHECK(r.faults.empty());
    CHECK(r.handset.model == "x1");
    CHECK(r.classes() ==
          std::set<std::string>{"audio", "camera", "gnss", "modem", "sensors", "usb"});
    const auto& matches = r.handset.matches;
    const auto audio = std::ranges::find(matches, "audio", &DeviceMatch::device_class);
    CHECK(audio->path == "/dev/snd/pcmC0D0p");
    CHECK(audio->right == "playback");
    CHECK(std::ranges::count(matches, "audio", &DeviceMatch::device_class) == 1);
    const auto camera = std::ranges::find(matches, "camera", &DeviceMatch::device_class);
    CHECK(camera->right == "use");
    CHECK(camera->subsystem == "video4linux");
    CHECK(camera->name == "video*");
    REQUIRE(camera->properties.size() == 2);
    CHECK(camera->properties[0] ==
          std::pair<std::string, std::string>{"ID_PATH", "pci-0000:00:03.0"});
    CHECK(to_text(camera->at) == "handset.json:8:24");
    CHECK(std::ranges::find(matches, "modem", &DeviceMatch::device_class)->right == "port");
}

TEST_CASE("a fault is told at its place, with all the others, and denies its own class") {
    const auto r = read(R"({"devices": {
 "gpu": ["/dev/dri/renderD128", {"subsystem": "drm", "right": "rendr"}],
 "modem": ["/etc/passwd", "/dev/../etc/passwd"],
 "camera": [{"subsystem": "video*"}, {"name": "video0"}, {"subsystem": "usb", "nmae": "a"}],
 "gnss": ["/dev/gnss0"],
 "sensors": [{"path": "/dev/iio:device0", "name": "x"}, 7],
 "usb": [{"cdi": "v.com/usb"}, {"cdi": "v.com/usb=0", "driver": "x"}]
}})");
    std::vector<std::string> places;
    for (const auto& d : r.faults)
        places.push_back(fmt::format("{}:{} {}", d.at.line, d.at.column, d.message));
    CHECK(places == std::vector<std::string>{
                        "2:10 'gpu' has several rights: which one opens it?",
                        "2:63 'gpu' has no right 'rendr'",
                        "3:12 '/etc/passwd' is not below /dev",
                        "3:27 '/dev/../etc/passwd' is not a normal absolute path",
                        "4:27 'video*' is not the name of a subsystem",
                        "4:38 'subsystem' is missing",
                        "4:79 unknown key 'nmae'",
                        "6:43 'name' has no meaning beside 'path'",
                        "6:57 '/devices/sensors/1' must be string or object, not integer",
                        "7:18 'v.com/usb' is no name of a CDI device",
                        "7:55 'driver' has no meaning beside 'cdi'",
                    });
    CHECK(r.classes() == std::set<std::string>{"audio", "gnss"});
}

TEST_CASE("a fault that may be about any class denies all, and not the model") {
    for (const char* broken :
         {"", "{", "[]", "7", R"({"model": "x1", "device": {}})",
          R"({"model": "x1", "devices": []})", R"({"model": "x1", "devices": {"camrea": []}})",
          R"({"model": "x1", "devices": {"display": []}})",
          R"({"model": "x1", "devices": {}, "devices": {"gpu": []}})"}) {
        const auto r = read(broken);
        INFO(broken << "\n" << r.said());
        CHECK(has_errors(r.faults));
        CHECK(r.handset.matches.empty());
        CHECK((std::string_view(broken).contains("x1") == (r.handset.model == "x1")));
    }
}

TEST_CASE("a wrong model is none, and takes no device along") {
    for (const char* broken : {R"({"model": 1})", R"({"model": "a", "model": "b"})"}) {
        const auto r = read(broken);
        CHECK(r.faults.size() == 1);
        CHECK(r.handset.model.empty());
        CHECK(r.classes() == kBuiltInClasses);
    }
}

TEST_CASE("a class that is named twice has neither") {
    const auto r = read(R"({"devices": {"gnss": [], "gnss": ["/dev/gnss0"]}})");
    CHECK(r.faults.size() == 1);
    CHECK_FALSE(r.classes().contains("gnss"));
    CHECK(r.classes().contains("gpu"));
}

TEST_CASE("faults beyond the number that is told deny all") {
    std::string faults;
    for (int i = 0; i < 200; ++i) faults += fmt::format("\"k{}\": 1, ", i);
    const auto r =
        read("{\"devices\": {\"gpu\": [{" + faults +
             "\"subsystem\": \"drm\"}], \"usb\": [{\"subsystem\": \"usb\", \"x\": 1}]}}");
    CHECK(r.faults.size() == kMaxFindings);
    CHECK(r.handset.matches.empty());
}

TEST_CASE("every class that handset.json knows is one of the profiles") {
    CHECK(device_classes().size() == 10);
    for (const auto& device_class : device_classes()) {
        INFO(device_class.name);
        const auto r = read(fmt::format(R"({{"devices": {{"{}": []}}}})", device_class.name));
        CHECK(r.faults.empty());
        CHECK_FALSE(r.classes().contains(std::string(device_class.name)));
    }
    CHECK(is_arbitrated("gpu"));
    CHECK(is_arbitrated("modem"));
    CHECK(is_arbitrated("camera"));
    CHECK(is_arbitrated("audio"));
    CHECK_FALSE(is_arbitrated("bluetooth"));
}
