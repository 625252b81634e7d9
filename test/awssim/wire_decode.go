package awssim

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// unsupported is a parameter that AWS knows and the simulator does not act on. A
// request that carries one is refused, never half obeyed.
type unsupported struct{ given bool }

// dryRun asks EC2 whether a call would succeed. It is refused when it is true,
// since the simulator does not judge a call without performing it.
type dryRun bool

// paramClass is what is wrong with a parameter.
type paramClass int

const (
	malformedParam paramClass = iota // unknown, or not of its type
	missingParam
	wrongValue
	unsupportedParam
)

// paramError is a parameter that is wrong in itself. Each service reports it in
// its own words.
type paramError struct {
	class         paramClass
	name, problem string
	value         string // of wrongValue
}

// Error names the parameter and what is wrong with it.
func (e *paramError) Error() string { return fmt.Sprintf("parameter %s %s", e.name, e.problem) }

func malformed(name, problem string) *paramError {
	return &paramError{class: malformedParam, name: name, problem: problem}
}

// decode fills the struct that out points to. The struct declares an action's
// parameters: a field is named like its parameter, or as its tag `name` says.
// Parameters without a field are errors.
func decode(tree *node, out any) error {
	return decodeStruct(tree, reflect.ValueOf(out).Elem(), "")
}

func decodeStruct(n *node, out reflect.Value, path string) error {
	if n.kind != structNode {
		return malformed(path, "is not a structure")
	}
	fields := map[string]reflect.Value{}
	collectFields(out, fields)
	for _, name := range sortedKeys(n.fields) {
		field, ok := fields[name]
		if !ok {
			return malformed(join(path, name), "is not recognized")
		}
		if err := decodeValue(n.fields[name], field, join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

// collectFields maps parameter names to fields, through embedded structs.
func collectFields(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			collectFields(v.Field(i), into)
			continue
		}
		into[paramName(f)] = v.Field(i)
	}
}

func paramName(f reflect.StructField) string {
	return orElse(f.Tag.Get("name"), f.Name)
}

func decodeValue(n *node, out reflect.Value, path string) error {
	if u, ok := reflect.TypeAssert[*unsupported](out.Addr()); ok {
		u.given = true
		return nil
	}
	switch out.Kind() {
	case reflect.Pointer:
		out.Set(reflect.New(out.Type().Elem()))
		return decodeValue(n, out.Elem(), path)
	case reflect.Struct:
		return decodeStruct(n, out, path)
	case reflect.Slice:
		return decodeList(n, out, path)
	default:
		return decodeScalar(n, out, path)
	}
}

// decodeList reads a list. The SDKs send an empty list as an empty scalar.
func decodeList(n *node, out reflect.Value, path string) error {
	if n.kind == scalarNode && n.scalar == "" {
		out.Set(reflect.MakeSlice(out.Type(), 0, 0))
		return nil
	}
	if n.kind != listNode {
		return malformed(path, "is not a list")
	}
	out.Set(reflect.MakeSlice(out.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		if err := decodeValue(item, out.Index(i), join(path, strconv.Itoa(i+1))); err != nil {
			return err
		}
	}
	return nil
}

func decodeScalar(n *node, out reflect.Value, path string) error {
	if n.kind != scalarNode {
		return malformed(path, "is not a single value")
	}
	switch out.Kind() {
	case reflect.String:
		out.SetString(n.scalar)
	case reflect.Bool:
		if n.scalar != "true" && n.scalar != "false" {
			return malformed(path, "is neither true nor false")
		}
		out.SetBool(n.scalar == "true")
	case reflect.Int:
		i, err := strconv.ParseInt(n.scalar, 10, 32)
		if err != nil {
			return malformed(path, "is not an integer")
		}
		out.SetInt(i)
	default:
		return malformed(path, "has a type that is not simulated")
	}
	return nil
}

// check looks at the constraints that the fields' tags `check` state: required,
// min=N and max=N (of a number, of a text's length, of a list's length) and
// enum=A|B.
func check(params any) error {
	return checkStruct(reflect.ValueOf(params).Elem(), "")
}

func checkStruct(v reflect.Value, path string) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		var err error
		if f.Anonymous {
			err = checkStruct(v.Field(i), path)
		} else {
			err = checkField(v.Field(i), f.Tag.Get("check"), join(path, paramName(f)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func checkField(v reflect.Value, constraints, path string) error {
	switch value := v.Interface().(type) {
	case unsupported:
		return refuse(value.given, path)
	case dryRun:
		return refuse(bool(value), path)
	}
	// A required list may be empty on the wire; whether AWS takes it is up to the action.
	absent := v.IsZero()
	for constraint := range strings.SplitSeq(constraints, ",") {
		if constraint == "required" && absent {
			return &paramError{class: missingParam, name: path, problem: "is required"}
		}
		if absent || constraint == "required" || constraint == "" {
			continue
		}
		if err := checkValue(reflect.Indirect(v), constraint, path); err != nil {
			return err
		}
	}
	return checkInside(v, path)
}

func refuse(given bool, path string) error {
	if !given {
		return nil
	}
	return &paramError{class: unsupportedParam, name: path, problem: "is not supported by this simulator"}
}

// checkInside descends into structs and into lists of structs.
func checkInside(v reflect.Value, path string) error {
	v = reflect.Indirect(v)
	switch v.Kind() {
	case reflect.Struct:
		return checkStruct(v, path)
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct {
			return nil
		}
		for i := range v.Len() {
			if err := checkStruct(v.Index(i), join(path, strconv.Itoa(i+1))); err != nil {
				return err
			}
		}
	default:
	}
	return nil
}

func checkValue(v reflect.Value, constraint, path string) error {
	what, arg, _ := strings.Cut(constraint, "=")
	wrong := func(problem string) error {
		return &paramError{class: wrongValue, name: path, problem: problem, value: fmt.Sprint(v.Interface())}
	}
	if what == "enum" {
		for allowed := range strings.SplitSeq(arg, "|") {
			if v.String() == allowed {
				return nil
			}
		}
		return wrong(fmt.Sprintf("Member must satisfy enum value set: [%s]", strings.ReplaceAll(arg, "|", ", ")))
	}
	limit, err := strconv.Atoi(arg)
	if err != nil {
		return fmt.Errorf("constraint %s of %s: %w", constraint, path, err)
	}
	size, noun := measure(v)
	if what == "min" && size < limit {
		return wrong(fmt.Sprintf("Member must have %s greater than or equal to %d", noun, limit))
	}
	if what == "max" && size > limit {
		return wrong(fmt.Sprintf("Member must have %s less than or equal to %d", noun, limit))
	}
	return nil
}

func measure(v reflect.Value) (size int, noun string) {
	if v.Kind() == reflect.Int {
		return int(v.Int()), "value"
	}
	return v.Len(), "length"
}
