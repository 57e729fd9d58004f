package storetest

import "testing"

// BenchmarkDatabase creates and drops the database of a test.
func BenchmarkDatabase(b *testing.B) {
	r, err := started()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		name, err := r.create(template)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.drop(name); err != nil {
			b.Fatal(err)
		}
	}
}
