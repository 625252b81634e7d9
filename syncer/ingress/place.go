package ingress

import "strings"

// place is where a member says something: a field of its spec, or an element of an
// annotation. Its zero value says nothing.
type place struct {
	key  string // of the annotation; "" for a field of the spec
	path string // "" for an annotation's whole value
}

// specPlace is a field of the spec.
func specPlace(path string) place { return place{path: path} }

// annotationPlace is the whole value of an annotation.
func annotationPlace(key string) place { return place{key: key} }

// at is an element of what is there, like ".name" or "[0]".
func (p place) at(element string) place {
	p.path = strings.TrimPrefix(p.path+element, ".")
	return p
}

// field is what a Problem names.
func (p place) field() string {
	if p.key != "" {
		return p.key
	}
	return p.path
}

// String begins the message of a Problem.
func (p place) String() string {
	switch {
	case p.key == "":
		return p.path
	case p.path == "":
		return "annotation " + p.key
	}
	return "annotation " + p.key + ": " + p.path
}

// blockAt blocks the member for what it says at a place.
func (m *member) blockAt(reason string, p place, format string, args ...any) {
	m.block(reason, p.field(), "%s: "+format, append([]any{p}, args...)...)
}

// warnAt warns of what the member says at a place.
func (m *member) warnAt(reason string, p place, format string, args ...any) {
	m.warn(reason, p.field(), "%s: "+format, append([]any{p}, args...)...)
}
