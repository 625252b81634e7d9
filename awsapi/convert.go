package awsapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pager is what the SDK's paginators have in common. O is the output of a page,
// F the options of the client.
type pager[O, F any] interface {
	HasMorePages() bool
	NextPage(ctx context.Context, options ...func(*F)) (*O, error)
}

// pages collects the rows of every page. Rows that AWS adds or removes between
// two pages can be missed or seen twice.
func pages[O, F, T any](ctx context.Context, p pager[O, F], rows func(*O) []T) ([]T, error) {
	var all []T
	for p.HasMorePages() {
		out, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, rows(out)...)
	}
	return all, nil
}

// only returns the one row that a Create call answers with.
func only[T any](action, what string, rows []T) (T, error) {
	if len(rows) != 1 {
		var zero T
		return zero, fmt.Errorf("%s %s: AWS answered with %d of them", action, what, len(rows))
	}
	return rows[0], nil
}

// given returns nil for a zero value, which leaves the field to AWS.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// each converts a list. It keeps nil: an absent list is not an empty one.
func each[A, B any](in []A, convert func(A) B) []B {
	if in == nil {
		return nil
	}
	out := make([]B, len(in))
	for i, v := range in {
		out[i] = convert(v)
	}
	return out
}

// tagList converts tags to a list of the SDK's kind, in the order of the keys:
// equal calls then have equal bodies.
func tagList[T any](tags Tags, tag func(key, value *string) T) []T {
	var list []T
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		list = append(list, tag(&key, &value))
	}
	return list
}

// some names the first few of a list of resources in an error.
func some(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, " ")
	}
	return strings.Join(names[:few], " ") + " ..."
}
