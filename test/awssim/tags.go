package awssim

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxTagKey   = 128
	maxTagValue = 256
)

var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// tagsOf is a map as tags, in the order of the keys.
func tagsOf(m map[string]string) tagList {
	var tags tagList
	for _, key := range sortedKeys(m) {
		tags = append(tags, tag{key, m[key]})
	}
	return tags
}

// with is t with more tags: a key that t has already gets the new value.
func (t tagList) with(more tagList) tagList {
	merged := slices.Clone(t)
	for _, add := range more {
		i := slices.IndexFunc(merged, func(old tag) bool { return old.key == add.key })
		if i < 0 {
			merged = append(merged, add)
		} else {
			merged[i].value = add.value
		}
	}
	return merged
}

// without is t without some keys.
func (t tagList) without(keys []string) tagList {
	return slices.DeleteFunc(slices.Clone(t), func(old tag) bool { return slices.Contains(keys, old.key) })
}

// equal tells whether both hold the same tags, in whatever order.
func (t tagList) equal(other tagList) bool {
	return len(t) == len(other) && len(t.with(other)) == len(t) && !slices.ContainsFunc(other, func(o tag) bool {
		return !slices.Contains(t, o)
	})
}

// problem says what is wrong with a tag, or nothing.
func (t tag) problem() string {
	switch {
	case t.key == "" || utf8.RuneCountInString(t.key) > maxTagKey:
		return "The tag key '" + t.key + "' must have 1 to 128 characters"
	case utf8.RuneCountInString(t.value) > maxTagValue:
		return "The value of the tag '" + t.key + "' must have at most 256 characters"
	case strings.HasPrefix(strings.ToLower(t.key), "aws:"):
		return "The tag key '" + t.key + "' has the prefix aws:, which is reserved for internal use"
	case !tagText.MatchString(t.key) || !tagText.MatchString(t.value):
		return "The tag '" + t.key + "' has a character that is not allowed"
	}
	return ""
}
