// Figures of a client, a bulk run or a batcher, for a monitoring system.

#ifndef IMTAG_STATS_HPP
#define IMTAG_STATS_HPP

#include "error.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace imtag {

/// A number of `stats`. Its texts live as long as these.
struct figure {
    /// As Prometheus has it: imtag_calls_total.
    std::string_view name;
    /// What tells it from others of its name, as Prometheus has it: operation="add",outcome="done". Names and values are
    /// of small letters and _, so splitting at commas reads them; only a value that `join_stats` was given is any text.
    /// Empty if there is nothing to tell.
    std::string_view labels;
    /// What it counts, in a sentence.
    std::string_view help;
    /// Whether it only grows; else it is a gauge.
    bool is_counter;
    /// Times are in seconds.
    double value;
};

/// Figures, as they were when they were asked for; a range of imtag::figure, in which those of one name stand together.
/// It is a value, whose copies share what they show; any number of threads may read it, also when what it is of is closed.
/// Names and labels stay, and new figures may come with any version.
class stats {
public:
    /// None.
    stats() = default;
    /// Owns figures of the C interface.
    explicit stats(im_stats* made) : stats_(made, im_stats_free) {}

    /// Iterates over the figures; dereferencing makes the value.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;    // C++17's others return references
        using iterator_concept = std::forward_iterator_tag;  // it can be iterated again
        using value_type = figure;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = figure;

        iterator() = default;
        iterator(const im_stats* of, std::size_t at) noexcept : of_(of), at_(at) {}
        figure operator*() const noexcept {
            return {im_stats_name(of_, at_), im_stats_labels(of_, at_), im_stats_help(of_, at_),
                    im_stats_is_counter(of_, at_), im_stats_value(of_, at_)};
        }
        iterator& operator++() noexcept {
            ++at_;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator(of_, at_++); }
        friend bool operator==(iterator left, iterator right) noexcept { return left.at_ == right.at_; }
        friend bool operator!=(iterator left, iterator right) noexcept { return left.at_ != right.at_; }

    private:
        const im_stats* of_ = nullptr;
        std::size_t at_ = 0;
    };

    std::size_t size() const noexcept { return im_stats_count(handle()); }
    bool empty() const noexcept { return size() == 0; }
    iterator begin() const noexcept { return {handle(), 0}; }
    iterator end() const noexcept { return {handle(), size()}; }

    /// The number of the figure with this name and these labels; with none it is the sum of all with this name. Not a
    /// number (std::isnan) if there is none.
    double value(str name, str labels = im_str{}) const noexcept { return im_stats_get(handle(), name, labels); }

    /// All figures, in the form that Prometheus reads from a page; it lives as long as these.
    std::string_view text() const& noexcept { return im_stats_text(handle()); }
    std::string_view text() const&& = delete;  // they would be destroyed at the end of the statement

    /// The handle of the C interface, which stays this object's; NULL if these are none.
    const im_stats* handle() const noexcept { return stats_.get(); }

private:
    std::shared_ptr<im_stats> stats_;
};

/// The figures of several clients, batchers or bulk runs of the process, each with a label that says whose it is, so that
/// one page for Prometheus has them all: join_stats("client", {{"china", china.stats()}, {"singapore", singapore.stats()}}).
/// The label's name is of small letters and _, and not operation or outcome; what it says is any text. Throws
/// imtag::error for another name, and for figures that are none.
inline stats join_stats(str label, const std::vector<std::pair<std::string, stats>>& each) {
    std::vector<im_str> values;
    std::vector<const im_stats*> handles;
    for (const auto& [value, its] : each) {
        values.push_back(str(value));
        handles.push_back(its.handle());
    }
    return stats(detail::made_by<im_stats>(im_stats_join, label, values.data(), handles.data(), each.size()));
}

namespace detail {

/// The figures that a function of the C interface returns. Throws if it fails.
template <class Ask, class Handle>
stats stats_of(Ask ask, Handle* handle) {
    return stats(made_by<im_stats>(ask, handle));
}

}  // namespace detail

}  // namespace imtag

#endif
