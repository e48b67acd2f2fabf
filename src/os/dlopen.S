/* dlopen.S - dlopen and dlmopen: change the mode, then jump to the next one of that name.  See dlopen.h.
 *
 * In assembly, because C promises no sibling call: without optimisation gcc makes a call of it, and the
 * next dlopen would take this library for its caller.
 */
#if defined(__x86_64__)

	.text

/* void *dlopen(const char *file, int mode): the mode is the second argument. */
	.globl	dlopen
	.type	dlopen, @function
	.p2align 4
dlopen:
	.cfi_startproc
	endbr64
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	movl	%esi, %edi
	call	dlopen_mode
	movl	%eax, %esi
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	jmp	*dlopen_next(%rip)
	.cfi_endproc
	.size	dlopen, . - dlopen

/* void *dlmopen(Lmid_t space, const char *file, int mode): the mode is the third. */
	.globl	dlmopen
	.type	dlmopen, @function
	.p2align 4
dlmopen:
	.cfi_startproc
	endbr64
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	movl	%edx, %esi
	call	dlmopen_mode
	movl	%eax, %edx
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	jmp	*dlmopen_next(%rip)
	.cfi_endproc
	.size	dlmopen, . - dlmopen

#else /* aarch64 */

	.text

/* void *dlopen(const char *file, int mode): the mode is the second argument. */
	.globl	dlopen
	.type	dlopen, %function
	.p2align 4
dlopen:
	.cfi_startproc
	hint	#34			/* bti c: may be reached by an indirect call */
	stp	x29, x30, [sp, #-32]!
	.cfi_adjust_cfa_offset 32
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	mov	x29, sp
	str	x0, [sp, #16]
	mov	w0, w1
	bl	dlopen_mode
	mov	w1, w0
	ldr	x0, [sp, #16]
	ldp	x29, x30, [sp], #32
	.cfi_adjust_cfa_offset -32
	.cfi_restore x29
	.cfi_restore x30
	adrp	x16, dlopen_next
	ldr	x16, [x16, #:lo12:dlopen_next]
	br	x16
	.cfi_endproc
	.size	dlopen, . - dlopen

/* void *dlmopen(Lmid_t space, const char *file, int mode): the mode is the third. */
	.globl	dlmopen
	.type	dlmopen, %function
	.p2align 4
dlmopen:
	.cfi_startproc
	hint	#34
	stp	x29, x30, [sp, #-32]!
	.cfi_adjust_cfa_offset 32
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	mov	x29, sp
	stp	x0, x1, [sp, #16]
	mov	w1, w2
	bl	dlmopen_mode
	mov	w2, w0
	ldp	x0, x1, [sp, #16]
	ldp	x29, x30, [sp], #32
	.cfi_adjust_cfa_offset -32
	.cfi_restore x29
	.cfi_restore x30
	adrp	x16, dlmopen_next
	ldr	x16, [x16, #:lo12:dlmopen_next]
	br	x16
	.cfi_endproc
	.size	dlmopen, . - dlmopen

#endif

	.section .note.GNU-stack, "", %progbits
