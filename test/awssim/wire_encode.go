package awssim

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// encoder writes result structs as XML. An element is named like its field (EC2:
// in lowerCamel), or as the field's tag `name` says. Empty texts, nil pointers and
// nil lists are left out, as AWS does; a *string can be empty and present.
type encoder struct {
	buf     bytes.Buffer
	dialect dialect
}

func (e *encoder) open(name string)  { e.buf.WriteString("<" + name + ">") }
func (e *encoder) close(name string) { e.buf.WriteString("</" + name + ">") }

// text writes an element that holds text.
func (e *encoder) text(name, value string) {
	e.open(name)
	_ = xml.EscapeText(&e.buf, []byte(value)) // A bytes.Buffer takes everything.
	e.close(name)
}

// fields writes the fields of a struct as elements.
func (e *encoder) fields(v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			if err := e.fields(v.Field(i)); err != nil {
				return err
			}
			continue
		}
		name := f.Tag.Get("name")
		if name == "" {
			name = e.elementName(f.Name)
		}
		if err := e.element(name, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) elementName(field string) string {
	if e.dialect == ec2Dialect {
		return strings.ToLower(field[:1]) + field[1:]
	}
	return field
}

// element writes one value, or nothing where AWS writes nothing.
func (e *encoder) element(name string, v reflect.Value) error {
	if t, ok := reflect.TypeAssert[time.Time](v); ok {
		e.text(name, t.UTC().Format("2006-01-02T15:04:05.000Z"))
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if v.Elem().Kind() == reflect.String {
			e.text(name, v.Elem().String())
			return nil
		}
		return e.element(name, v.Elem())
	case reflect.String:
		if v.Len() > 0 {
			e.text(name, v.String())
		}
	case reflect.Bool:
		e.text(name, strconv.FormatBool(v.Bool()))
	case reflect.Int:
		e.text(name, strconv.FormatInt(v.Int(), 10))
	case reflect.Struct:
		e.open(name)
		defer e.close(name)
		return e.fields(v)
	case reflect.Slice:
		return e.list(name, v)
	default:
		return fmt.Errorf("encode %s: type %s has no form in XML", name, v.Type())
	}
	return nil
}

func (e *encoder) list(name string, v reflect.Value) error {
	if v.IsNil() {
		return nil
	}
	e.open(name)
	defer e.close(name)
	for i := range v.Len() {
		item := v.Index(i)
		wrapper := "member"
		if e.dialect == ec2Dialect {
			wrapper = "item"
		}
		// An empty text is an item all the same.
		if item.Kind() == reflect.String {
			e.text(wrapper, item.String())
			continue
		}
		if err := e.element(wrapper, item); err != nil {
			return err
		}
	}
	return nil
}
