// cli: the drawing as SVG. Reads no file, decides no place.
#include "cli/map.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

constexpr double kDot = 4, kArrow = 11;

class Svg {
  public:
    Svg(Markup& out, const Drawing& drawing) : out_(out), d_(drawing) {
        for (std::size_t i = 1; i < d_.rails.size(); ++i)
            tight_ = tight_ || d_.rails[i].x - d_.rails[i - 1].x < 24;
    }

    void body() {
        for (const auto& rail : d_.rails) this->rail(rail);
        for (const auto& bar : d_.bars) this->bar(bar);
        if (d_.bars.empty())
            out_.tag("<text class=\"note\" x=\"")
                .number(d_.text_x)
                .tag("\" y=\"")
                .number(d_.rails_top + 40)
                .tag("\">nothing is shared</text>");
    }

  private:
    void rail(const Rail& rail);
    void name(const Rail& rail);
    void bar(const Bar& bar);
    void words(const Bar& bar);
    void mark(const Bar& bar, const Mark& mark);
    void arrow(double tip, double y, double way);
    void title(const std::vector<std::string>& lines);
    double dot() const { return tight_ ? 2.5 : kDot; }

    Markup& out_;
    const Drawing& d_;
    bool tight_ = false;
};

void Svg::title(const std::vector<std::string>& lines) {
    out_.tag("<title>");
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i != 0) out_.tag("\n");
        out_.text(lines[i]);
    }
    out_.tag("</title>");
}

void Svg::rail(const Rail& rail) {
    out_.tag("<g class=\"mode\">");
    title(rail.title);
    out_.tag("<path class=\"rail\" d=\"M")
        .number(rail.x)
        .tag(" ")
        .number(d_.rails_top)
        .tag("V")
        .number(d_.height - 4)
        .tag("\"/>");
    name(rail);
    out_.tag("</g>\n");
}

void Svg::name(const Rail& rail) {
    if (d_.names_upright) {
        out_.tag("<text class=\"upright\" transform=\"translate(")
            .number(rail.x + (tight_ ? 4 : 5))
            .tag(" ")
            .number(d_.rails_top - 8)
            .tag(") rotate(-90)\">")
            .text(rail.name)
            .tag("</text>");
        return;
    }
    const double half = name_width(rail.name.size()) / 2;
    out_.tag("<rect x=\"")
        .number(rail.x - half)
        .tag("\" y=\"6\" rx=\"6\" width=\"")
        .number(2 * half)
        .tag("\" height=\"")
        .number(d_.rails_top - 6)
        .tag("\"/><text text-anchor=\"middle\" x=\"")
        .number(rail.x)
        .tag("\" y=\"27\">")
        .text(rail.name)
        .tag("</text>");
}

void Svg::words(const Bar& bar) {
    const double up = d_.names_above ? 33 : 3, down = d_.names_above ? 16 : -13;
    out_.tag("<text class=\"name\" x=\"")
        .number(d_.text_x)
        .tag("\" y=\"")
        .number(bar.y - up)
        .tag("\">")
        .text(bar.name)
        .tag("</text><text class=\"note\" x=\"")
        .number(d_.text_x)
        .tag("\" y=\"")
        .number(bar.y - down)
        .tag("\">")
        .text(bar.note)
        .tag("</text>");
}

void Svg::bar(const Bar& bar) {
    out_.tag("<g class=\"bar ").tag(control_class(bar.control));
    if (!bar.enforced) out_.tag(" later");
    out_.tag("\">");
    title(bar.title);
    words(bar);
    const double left = bar.marks.front().x, right = bar.marks.back().x;
    for (const Literal part : {Literal("gap"), Literal("line")})
        out_.tag("<path class=\"")
            .tag(part)
            .tag("\" d=\"M")
            .number(left + dot())
            .tag(" ")
            .number(bar.y)
            .tag("H")
            .number(right - dot())
            .tag("\"/>");
    for (const auto& mark : bar.marks) this->mark(bar, mark);
    out_.tag("</g>\n");
}

void Svg::mark(const Bar& bar, const Mark& mark) {
    out_.tag("<g>");
    title(mark.title);
    if (mark.from_left) arrow(mark.x - dot(), bar.y, -1);
    if (mark.from_right) arrow(mark.x + dot(), bar.y, 1);
    out_.tag("<circle cx=\"")
        .number(mark.x)
        .tag("\" cy=\"")
        .number(bar.y)
        .tag("\" r=\"")
        .number(dot())
        .tag("\"/></g>");
}

// way: -1 where its shaft lies to the left of the tip.
void Svg::arrow(double tip, double y, double way) {
    const double length = tight_ ? 5 : kArrow, half = tight_ ? 3.5 : 6;
    out_.tag("<path class=\"tip\" d=\"M")
        .number(tip)
        .tag(" ")
        .number(y)
        .tag("l")
        .number(way * length)
        .tag(" ")
        .number(-half)
        .tag("v")
        .number(2 * half)
        .tag("z\"/>");
}

void frame(Markup& to, const Drawing& d) {
    to.tag(" viewBox=\"0 0 ")
        .number(d.width)
        .tag(" ")
        .number(d.height)
        .tag("\" width=\"")
        .number(d.width)
        .tag("\" height=\"")
        .number(d.height)
        .tag("\" role=\"img\"");
}

constexpr char kStyle[] = R"css(
.map{--map-paper:#fff;--map-ink:#16181d;--map-dim:#5c6370;--map-rail:#c3c8d1;--map-box:#eef0f4;
--open:#c0262d;--consented:#96610a;--arbitrated:#2463a8;
font:400 12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
@media screen and (prefers-color-scheme:dark){
.map{--map-paper:#14161a;--map-ink:#e8eaee;--map-dim:#9aa2b1;--map-rail:#444b58;--map-box:#252932;
--open:#ff7b78;--consented:#e3ab4d;--arbitrated:#79b2f2}}
.map text{fill:var(--map-ink);unicode-bidi:bidi-override;direction:ltr}
.map .mode text{font-size:14px;font-weight:600}
.map .mode .upright{font-size:12px}
.map .mode rect{fill:var(--map-box);stroke:var(--map-rail)}
.map .rail{stroke:var(--map-rail);stroke-width:1;fill:none}
.map .name{font:500 13px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.map .note{fill:var(--map-dim)}
.map .name,.map .note{paint-order:stroke;stroke:var(--map-paper);stroke-width:4px;
stroke-linejoin:round}
.map .gap{stroke:var(--map-paper);stroke-width:9}
.map .open{--c:var(--open);--w:3}
.map .consented{--c:var(--consented);--w:2.5}
.map .arbitrated{--c:var(--arbitrated);--w:1.75}
.map .line{stroke:var(--c);stroke-width:var(--w)}
.map .later .line{stroke-dasharray:5 4}
.map circle{fill:var(--map-paper);stroke:var(--c);stroke-width:2}
.map .tip{fill:var(--c)}
)css";

}  // namespace

Literal control_class(policy::Control control) {
    switch (control) {
        case policy::Control::open:
            return "open";
        case policy::Control::consented:
            return "consented";
        case policy::Control::arbitrated:
            break;
    }
    return "arbitrated";
}

Literal map_style() { return Literal(kStyle); }

void add_svg(Markup& to, const Drawing& drawing, Literal css_class) {
    to.tag("<svg class=\"map ").tag(css_class).tag("\"");
    frame(to, drawing);
    to.tag(
        "><title>What modes share, and who controls it; the list has the same in words.</title>");
    Svg(to, drawing).body();
    to.tag("</svg>\n");
}

std::string svg_file(const Drawing& drawing) {
    constexpr double kMargin = 24;
    Drawing framed = drawing;
    framed.width += 2 * kMargin;
    framed.height += 2 * kMargin;
    Markup out;
    out.tag(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"map\"");
    frame(out, framed);
    out.tag(">\n<title>What the modes of this phone share, and who controls it</title>\n<style>")
        .tag(Literal(kStyle))
        .tag(
            "</style>\n<rect width=\"100%\" height=\"100%\" style=\"fill:var(--map-paper)\"/>\n"
            "<g transform=\"translate(")
        .number(kMargin)
        .tag(" ")
        .number(kMargin)
        .tag(")\">\n");
    Svg(out, drawing).body();
    out.tag("</g></svg>\n");
    return out.take();
}

}  // namespace pmos::cli
