// cli: handset.json as it is made from what udev knows, with comments for who reads it. Pure.
#include "cli/handset_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace pmos::cli {
namespace {

using host::DetectedMatch;

// A name of a device is foreign text: quoted, and what is no UTF-8 made visible.
std::string quoted(std::string_view text) { return json_quote(printable(text)); }

std::string item(const policy::DeviceMatch& match, const policy::DeviceClass& device_class) {
    std::vector<std::string> members{fmt::format("\"subsystem\": {}", quoted(match.subsystem))};
    if (!match.name.empty()) members.push_back(fmt::format("\"name\": {}", quoted(match.name)));
    if (!match.driver.empty())
        members.push_back(fmt::format("\"driver\": {}", quoted(match.driver)));
    if (device_class.rights.size() > 1)
        members.push_back(fmt::format("\"right\": {}", quoted(match.right)));
    std::vector<std::string> properties;
    for (const auto& [name, pattern] : match.properties)
        properties.push_back(fmt::format("{}: {}", quoted(name), quoted(pattern)));
    if (!properties.empty())
        members.push_back(fmt::format("\"properties\": {{ {} }}", fmt::join(properties, ", ")));
    return fmt::format("{{ {} }}", fmt::join(members, ", "));
}

std::string words_of(const host::UdevDevice& device) {
    std::string text = device.devnode;
    if (!device.driver.empty()) text += fmt::format(", driver {}", device.driver);
    if (!device.vendor.empty()) text += fmt::format(", {}", device.vendor);
    if (!device.product.empty()) text += fmt::format(", {}", device.product);
    return printable(text);
}

std::string_view why_none(std::string_view device_class) {
    if (device_class == "usb")
        return "Never detected: the modem hangs there too. Name what a mode may have, if anything.";
    if (device_class == "modem")
        return "No port that udev's rules for ModemManager tell. Name it: \"/dev/...\".";
    if (device_class == "bluetooth" || device_class == "vibrator" || device_class == "torch")
        return "No subsystem tells it. Name its node, if this phone has one.";
    return "None on this phone.";
}

class Writer {
  public:
    explicit Writer(bool comments) : comments_(comments) {}

    void line(int depth, std::string_view text) {
        out_ += fmt::format("{:{}}{}\n", "", depth * 4, text);
    }
    void comment(int depth, std::string_view text) {
        if (comments_) line(depth, fmt::format("// {}", text));
    }
    void device_class(const policy::DeviceClass& device_class, std::span<const DetectedMatch> found,
                      std::string_view comma);
    std::string take() { return std::move(out_); }

  private:
    bool comments_;
    std::string out_;
};

void Writer::device_class(const policy::DeviceClass& device_class,
                          std::span<const DetectedMatch> found, std::string_view comma) {
    std::vector<const DetectedMatch*> own;
    for (const auto& one : found)
        if (one.match.device_class == device_class.name) own.push_back(&one);
    if (own.empty()) {
        comment(2, why_none(device_class.name));
        return line(2, fmt::format("\"{}\": []{}", device_class.name, comma));
    }
    line(2, fmt::format("\"{}\": [", device_class.name));
    for (const auto* one : own) {
        for (const auto& device : one->devices) comment(3, words_of(device));
        if (!one->told_apart) comment(3, "Nothing that stays tells it from another of its kind.");
        line(3, item(one->match, device_class) + (one == own.back() ? "" : ","));
    }
    line(2, fmt::format("]{}", comma));
}

}  // namespace

std::string handset_text(const std::string& model, std::span<const DetectedMatch> found,
                         bool comments) {
    Writer out(comments);
    out.line(0, "{");
    out.comment(1, "Made by 'pmosctl handset detect'. A class has these devices and no others.");
    out.line(1, fmt::format("\"$schema\": {},",
                            json_quote(PMOS_PROFILES_DIR "/schema/handset.schema.json")));
    if (!model.empty())
        out.line(1, fmt::format("\"model\": {},", quoted(model)));
    else
        out.comment(1, "\"model\": \"...\",  what policy bundles for this phone are made for");
    out.line(1, "\"devices\": {");
    const auto classes = policy::device_classes();
    for (const auto& device_class : classes)
        out.device_class(device_class, found, &device_class == &classes.back() ? "" : ",");
    out.line(1, "}");
    out.line(0, "}");
    return out.take();
}

}  // namespace pmos::cli
