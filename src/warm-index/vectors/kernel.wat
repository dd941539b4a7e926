;; Dot products of one int16 vector with many, eight components at a time.
;; kernel.ts holds it assembled; a test assembles it again and shows what must stand there.
(module
  (import "store" "memory" (memory 1))

  ;; Replaces each place (u32) of a list by the dot product (i32) of its vector and the query.
  ;; A vector is $stride bytes long, a multiple of 64, and that of place 0 begins at $vectors.
  ;; Components are at most 32767 and lengths at most about that too: no sum leaves 32 bits, by Cauchy and Schwarz.
  (func (export "dots")
    (param $query i32) (param $list i32) (param $count i32) (param $vectors i32) (param $stride i32)
    (local $end_of_list i32) (local $vector i32) (local $at i32) (local $end i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $end_of_list (i32.add (local.get $list) (i32.shl (local.get $count) (i32.const 2))))
    (local.set $end (i32.add (local.get $query) (local.get $stride)))
    (block $done
      (loop $places
        (br_if $done (i32.ge_u (local.get $list) (local.get $end_of_list)))
        (local.set $vector
          (i32.add (local.get $vectors) (i32.mul (i32.load (local.get $list)) (local.get $stride))))
        (local.set $at (local.get $query))
        (local.set $a (v128.const i32x4 0 0 0 0))
        (local.set $b (local.get $a))
        (local.set $c (local.get $a))
        (local.set $d (local.get $a))
        (loop $components
          (local.set $a (i32x4.add (local.get $a)
            (i32x4.dot_i16x8_s (v128.load (local.get $at)) (v128.load (local.get $vector)))))
          (local.set $b (i32x4.add (local.get $b)
            (i32x4.dot_i16x8_s (v128.load offset=16 (local.get $at)) (v128.load offset=16 (local.get $vector)))))
          (local.set $c (i32x4.add (local.get $c)
            (i32x4.dot_i16x8_s (v128.load offset=32 (local.get $at)) (v128.load offset=32 (local.get $vector)))))
          (local.set $d (i32x4.add (local.get $d)
            (i32x4.dot_i16x8_s (v128.load offset=48 (local.get $at)) (v128.load offset=48 (local.get $vector)))))
          (local.set $vector (i32.add (local.get $vector) (i32.const 64)))
          (br_if $components
            (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 64))) (local.get $end))))
        (local.set $a (i32x4.add
          (i32x4.add (local.get $a) (local.get $b)) (i32x4.add (local.get $c) (local.get $d))))
        (i32.store (local.get $list)
          (i32.add
            (i32.add (i32x4.extract_lane 0 (local.get $a)) (i32x4.extract_lane 1 (local.get $a)))
            (i32.add (i32x4.extract_lane 2 (local.get $a)) (i32x4.extract_lane 3 (local.get $a)))))
        (local.set $list (i32.add (local.get $list) (i32.const 4)))
        (br $places)))))
