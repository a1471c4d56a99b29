// fuzz: a plan made of arbitrary bytes, encoded: the image keeps its own rules (offsets inside,
// tables aligned, texts ended) and gives back what went in.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "policy/launch_plan.h"

using namespace pmos::policy;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

class Bytes {
  public:
    Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    std::uint8_t byte() { return at_ < size_ ? data_[at_++] : std::uint8_t{0}; }
    std::uint32_t word() {
        std::uint32_t value = 0;
        for (int i = 0; i < 4; ++i) value = value << 8U | byte();
        return value;
    }
    std::string text() {
        std::string out;
        for (std::size_t n = byte(); n > 0; --n) out += static_cast<char>(byte());
        return out;
    }
    std::size_t count() { return byte() % 8U; }

  private:
    const std::uint8_t* data_;
    std::size_t size_, at_ = 0;
};

LaunchPlan make_plan(Bytes in) {
    LaunchPlan plan;
    plan.mode = in.text();
    plan.hostname = in.text();
    plan.apparmor = in.text();
    plan.namespaces = in.word();
    for (std::size_t n = in.count(); n > 0; --n)
        plan.uid_map.push_back({in.word(), in.word(), in.word()});
    for (std::size_t n = in.count(); n > 0; --n) {
        MountOp op;
        op.kind = static_cast<image::MountKind>(in.byte() % 7U);
        op.source = in.text();
        op.target = in.text();
        for (std::size_t m = in.count(); m > 0; --m) op.options.emplace_back(in.text(), in.text());
        op.attributes = in.word();
        plan.mounts.push_back(std::move(op));
    }
    for (std::size_t n = in.count(); n > 0; --n) {
        DeviceNode node;
        node.type = static_cast<image::NodeType>(in.byte() % 4U);
        node.path = in.text();
        node.link = in.text();
        plan.device_nodes.push_back(std::move(node));
    }
    for (std::size_t n = in.count(); n > 0; --n) plan.process.args.push_back(in.text());
    for (std::size_t n = in.count(); n > 0; --n) plan.process.env.push_back(in.text());
    for (std::size_t n = in.count(); n > 0; --n) plan.process.additional_gids.push_back(in.word());
    for (std::size_t n = in.count(); n > 0; --n) plan.landlock.push_back({in.text(), in.word()});
    plan.seccomp.resize(in.count() * 8, in.byte());
    return plan;
}

class Image {
  public:
    explicit Image(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {
        require(bytes_.size() >= sizeof(image::Header));
        std::memcpy(&header, bytes_.data(), sizeof header);
        require(header.size == bytes_.size());
    }
    void same(image::Text t, const std::string& expected) const {
        require(t.size == expected.size());
        if (t.size == 0) return;
        require(t.offset >= sizeof(image::Header) &&
                std::size_t{t.offset} + t.size < bytes_.size());
        require(bytes_[t.offset + t.size] == std::byte{0});
        require(std::memcmp(bytes_.data() + t.offset, expected.data(), t.size) == 0);
    }
    template <class T>
    std::vector<T> table(image::Table<T> t) const {
        require(t.offset % 8 == 0);
        require(std::size_t{t.offset} + t.count * sizeof(T) <= bytes_.size());
        std::vector<T> rows(t.count);
        if (t.count != 0) std::memcpy(rows.data(), bytes_.data() + t.offset, t.count * sizeof(T));
        return rows;
    }
    void same(image::Table<image::Text> t, const std::vector<std::string>& expected) const {
        const auto rows = table(t);
        require(rows.size() == expected.size());
        for (std::size_t i = 0; i < rows.size(); ++i) same(rows[i], expected[i]);
    }

    image::Header header;

  private:
    std::vector<std::byte> bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const LaunchPlan plan = make_plan(Bytes(data, size));
    require(digest(plan).size() == 64);
    const Image image(encode(plan));
    const auto& h = image.header;
    image.same(h.mode, plan.mode);
    image.same(h.hostname, plan.hostname);
    image.same(h.apparmor, plan.apparmor);
    image.same(h.args, plan.process.args);
    image.same(h.env, plan.process.env);
    image.same(h.json, to_json(plan));
    require(image.table(h.uid_map).size() == plan.uid_map.size());
    require(image.table(h.additional_gids) == plan.process.additional_gids);
    require(image.table(h.seccomp).size() * 8 == plan.seccomp.size());
    const auto mounts = image.table(h.mounts);
    require(mounts.size() == plan.mounts.size());
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        image.same(mounts[i].source, plan.mounts[i].source);
        image.same(mounts[i].target, plan.mounts[i].target);
        const auto options = image.table(mounts[i].options);
        require(options.size() == plan.mounts[i].options.size());
        for (std::size_t j = 0; j < options.size(); ++j) {
            image.same(options[j].key, plan.mounts[i].options[j].first);
            image.same(options[j].value, plan.mounts[i].options[j].second);
        }
    }
    const auto nodes = image.table(h.device_nodes);
    require(nodes.size() == plan.device_nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        image.same(nodes[i].path, plan.device_nodes[i].path);
        image.same(nodes[i].link, plan.device_nodes[i].link);
    }
    return 0;
}
