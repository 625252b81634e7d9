package main

import (
	"encoding"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// list is a setting with several values, separated by commas. Nothing is an empty list.
type list []string

var _ encoding.TextUnmarshaler = (*list)(nil)

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *list) UnmarshalText(text []byte) error {
	*l = nil
	for value := range strings.SplitSeq(string(text), ",") {
		if value = strings.TrimSpace(value); value != "" && !slices.Contains(*l, value) {
			*l = append(*l, value)
		}
	}
	return nil
}

// tagMap is a setting with keys and values: key=value,key=value.
type tagMap map[string]string

var _ encoding.TextUnmarshaler = (*tagMap)(nil)

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *tagMap) UnmarshalText(text []byte) error {
	var pairs list
	if err := pairs.UnmarshalText(text); err != nil {
		return err
	}
	*m = tagMap{}
	for _, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if _, twice := (*m)[key]; !found || key == "" || twice {
			return fmt.Errorf("%q is not key=value, each key once", pair)
		}
		(*m)[key] = value
	}
	return nil
}

// gates are switches by name. What is not named is as gateDefaults says.
type gates map[string]bool

var _ encoding.TextUnmarshaler = (*gates)(nil)

// UnmarshalText implements encoding.TextUnmarshaler.
func (g *gates) UnmarshalText(text []byte) error {
	var pairs tagMap
	if err := pairs.UnmarshalText(text); err != nil {
		return err
	}
	*g = gates{}
	for name, value := range pairs {
		on, err := strconv.ParseBool(value)
		if _, known := gateDefaults[name]; !known || err != nil {
			return fmt.Errorf("%s=%s is not one of %s with true or false", name, value,
				strings.Join(slices.Sorted(maps.Keys(gateDefaults)), ", "))
		}
		(*g)[name] = on
	}
	return nil
}

func (g gates) enabled(name string) bool {
	on, told := g[name]
	return told && on || !told && gateDefaults[name]
}
